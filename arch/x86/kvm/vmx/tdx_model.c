// SPDX-License-Identifier: GPL-2.0
/*
 * A model of the TDX module, as far as adding, mapping, moving and removing 4K
 * pages of a TD goes: for KUnit, since a processor with TDX is not at hand.
 *
 * What it does, in which order, and with which status is that of TDX 1.5 as
 * published (github.com/intel/tdx-module, branch tdx_1.5, 72d8cffb), not what
 * KVM happens to do.  There is one TD, and its Secure EPT has one table of
 * leaves.  Calls are atomic; that somebody else is in the middle of one shows as
 * a lock that is taken.
 */
#include <linux/align.h>
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "../../virt/vmx/tdx/tdx.h"
#include "tdx_arch.h"
#include "tdx_model.h"

#define GPA_MASK	GENMASK_ULL(46, 0)	/* of private memory */
#define BEPOCH_INVALID	BIT_ULL(63)

#define SUCCESS		0ULL

#define RX		(BIT(0) | BIT(2))
#define RWX		GENMASK(2, 0)

/* What RDX, and the low bits of RCX, tell of an entry's state. */
static const struct {
	u8 code;
	u8 rwx;
} told[TDX_MODEL_NR_STATES] = {
	[TDX_MODEL_FREE]			= { 0 },
	[TDX_MODEL_REMOVED]			= { 5 },
	[TDX_MODEL_NL_MAPPED]			= { 132, RWX },
	[TDX_MODEL_NL_BLOCKED]			= { 129 },
	[TDX_MODEL_MAPPED]			= { 4, RWX },
	[TDX_MODEL_BLOCKED]			= { 1 },
	[TDX_MODEL_BLOCKEDW]			= { 8, RX },
	[TDX_MODEL_EXPORTED_BLOCKEDW]		= { 9, RX },
	[TDX_MODEL_EXPORTED_DIRTY]		= { 11, RWX },
	[TDX_MODEL_EXPORTED_DIRTY_BLOCKEDW]	= { 12, RX },
	[TDX_MODEL_PENDING]			= { 2 },
	[TDX_MODEL_PENDING_BLOCKED]		= { 3 },
	[TDX_MODEL_PENDING_BLOCKEDW]		= { 16 },
	[TDX_MODEL_PENDING_EXPORTED_BLOCKEDW]	= { 17 },
	[TDX_MODEL_PENDING_EXPORTED_DIRTY]	= { 19 },
	[TDX_MODEL_PENDING_EXPORTED_DIRTY_BLOCKEDW] = { 20 },
};

#define FREE		(BIT(TDX_MODEL_FREE) | BIT(TDX_MODEL_REMOVED))
#define NON_LEAF	(BIT(TDX_MODEL_NL_MAPPED) | BIT(TDX_MODEL_NL_BLOCKED))
#define LEAF		GENMASK(TDX_MODEL_NR_STATES - 1, TDX_MODEL_MAPPED)
#define ANY_PENDING	GENMASK(TDX_MODEL_NR_STATES - 1, TDX_MODEL_PENDING)
#define ANY_BLOCKED	(BIT(TDX_MODEL_NL_BLOCKED) | BIT(TDX_MODEL_BLOCKED) | \
			 BIT(TDX_MODEL_PENDING_BLOCKED))
#define BLOCKABLE	(BIT(TDX_MODEL_NL_MAPPED) | BIT(TDX_MODEL_MAPPED) | \
			 BIT(TDX_MODEL_BLOCKEDW) | BIT(TDX_MODEL_PENDING) | \
			 BIT(TDX_MODEL_PENDING_BLOCKEDW))
#define REMOVABLE	((BLOCKABLE | ANY_BLOCKED) & LEAF)
#define UNTRACKED	(BIT(TDX_MODEL_EXPORTED_BLOCKEDW) | \
			 BIT(TDX_MODEL_PENDING_EXPORTED_BLOCKEDW))
#define TRACKED		((LEAF | NON_LEAF) & ~UNTRACKED)

/* TD op states: 3 and 4 export, 5 after it, 6 to 10 import. */
#define OPS_MOVE	(BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(8) | BIT(9))
#define OPS_REMOVE	(OPS_MOVE | BIT(10))
#define OPS_TRACK	GENMASK(9, 1)
#define OPS_AUG		(BIT(1) | BIT(2) | BIT(3) | BIT(9))
#define OPS_IMPORT	GENMASK(9, 6)
/* vCPUs run. */
#define OPS_TRACKED	(BIT(2) | BIT(3) | BIT(9))

void tdx_model_init(struct tdx_model *m, u64 tdr, u16 hkid)
{
	memset(m, 0, sizeof(*m));
	xa_init(&m->pages);
	m->tdr = tdr;
	m->hkid = hkid;
	m->op_state = TDX_MODEL_RUNNABLE;
	m->epoch = 1;
	tdx_model_page(m, tdr)->type = TDX_MODEL_TDR;
}

void tdx_model_destroy(struct tdx_model *m)
{
	struct tdx_model_page *page;
	unsigned long pfn;

	xa_for_each(&m->pages, pfn, page)
		kfree(page);
	xa_destroy(&m->pages);
}

struct tdx_model_page *tdx_model_page(struct tdx_model *m, u64 pa)
{
	struct tdx_model_page *page = xa_load(&m->pages, PHYS_PFN(pa));

	if (page)
		return page;
	page = kzalloc_obj(*page, GFP_ATOMIC | __GFP_NOFAIL);
	xa_store(&m->pages, PHYS_PFN(pa), page, GFP_ATOMIC);
	return page;
}

static void violate(struct tdx_model *m, const char *what)
{
	if (!m->violation)
		m->violation = what;
}

static bool take(struct tdx_model *m, enum tdx_model_lock lock, bool exclusive)
{
	int i;

	if (m->busy[lock]) {
		m->busy[lock]--;
		return false;
	}
	/* As TDCALLs do that are in the middle of the tree. */
	if (!exclusive)
		return true;
	if (m->shared & BIT(lock))
		return false;
	for (i = 0; i < TDX_MODEL_VCPUS; i++)
		if (m->vcpu[i].holds & BIT(lock))
			return false;
	return true;
}

/* A physical address in a register: of memory that TDX may use? */
static u64 check_pa(struct tdx_model *m, u64 pa, u64 operand,
		    enum tdx_model_lock lock, bool exclusive,
		    enum tdx_model_page_type type)
{
	struct tdx_model_page *page;

	if (!PAGE_ALIGNED(pa) || pa >> boot_cpu_data.x86_phys_bits)
		return TDX_OPERAND_INVALID | operand;
	page = tdx_model_page(m, pa);
	if (page->no_tdmr)
		return TDX_OPERAND_ADDR_RANGE_ERROR | operand;
	if (!take(m, lock, exclusive))
		return TDX_OPERAND_BUSY | operand;
	if (page->type != type || page->large)
		return TDX_PAGE_METADATA_INCORRECT | operand;
	return SUCCESS;
}

static u64 check_target(struct tdx_model *m, u64 pa)
{
	return check_pa(m, pa, TDX_OPERAND_ID_R8, TDX_MODEL_LOCK_TARGET, true,
			TDX_MODEL_NDA);
}

static u64 check_tdr(struct tdx_model *m, u64 tdr, u64 operand, bool exclusive)
{
	u64 err = check_pa(m, tdr, operand, TDX_MODEL_LOCK_TDR, exclusive,
			   TDX_MODEL_TDR);

	if (err)
		return err;
	if (m->fatal)
		return TDX_TD_FATAL;
	if (m->no_keys)
		return TDX_TD_KEYS_NOT_CONFIGURED;
	if (m->no_tdcs)
		return TDX_TDCS_NOT_ALLOCATED;
	return SUCCESS;
}

/* What a leaf that has a TDR in a register begins with. */
static u64 check_td(struct tdx_model *m, u64 tdr, u64 operand,
		    unsigned long op_states)
{
	u64 err = check_tdr(m, tdr, operand, false);

	if (err)
		return err;
	if (!take(m, TDX_MODEL_LOCK_OP_STATE, false))
		return TDX_OPERAND_BUSY | TDX_OPERAND_ID_OP_STATE;
	if (!(op_states & BIT(m->op_state)))
		return TDX_OP_STATE_INCORRECT;
	return SUCCESS;
}

/* Who builds a TD has its TDR alone, and takes no other lock of it. */
static u64 check_new_td(struct tdx_model *m, u64 tdr, u64 operand)
{
	u64 err = check_tdr(m, tdr, operand, true);

	if (!err && m->op_state != TDX_MODEL_INITIALIZED)
		err = TDX_OP_STATE_INCORRECT;
	return err;
}

static u64 check_gpa(u64 rcx, u64 align)
{
	if (!IS_ALIGNED(rcx, align) || rcx & ~GPA_MASK)
		return TDX_OPERAND_INVALID | TDX_OPERAND_ID_RCX;
	return SUCCESS;
}

static void tell_entry(struct tdx_module_args *out, struct tdx_model_entry *e)
{
	out->rcx = e->hpa | told[e->state].rwx;
	out->rdx = (u64)told[e->state].code << 8;
}

static u64 walk(struct tdx_model *m, u64 gpa, struct tdx_module_args *out,
		struct tdx_model_entry **e)
{
	if (PHYS_PFN(gpa) >= TDX_MODEL_PAGES) {
		/* The entry above is free. */
		out->rdx = 1;
		return TDX_EPT_WALK_FAILED | TDX_OPERAND_ID_RCX;
	}
	*e = &m->sept[PHYS_PFN(gpa)];
	return SUCCESS;
}

static u64 check_state(struct tdx_model_entry *e, unsigned long states,
		       struct tdx_module_args *out)
{
	if (states & BIT(e->state))
		return SUCCESS;
	tell_entry(out, e);
	return TDX_EPT_ENTRY_STATE_INCORRECT | TDX_OPERAND_ID_RCX;
}

/* Find the entry that RCX is about, and lock it and the tree. */
static u64 find_entry(struct tdx_model *m, const struct tdx_module_args *in,
		      struct tdx_module_args *out, bool exclusive,
		      unsigned long states, struct tdx_model_entry **entry)
{
	struct tdx_model_entry *e;
	u64 err;

	err = check_gpa(in->rcx, PAGE_SIZE);
	if (err)
		return err;
	if (!take(m, TDX_MODEL_LOCK_TREE, exclusive))
		return TDX_OPERAND_BUSY | TDX_OPERAND_ID_SEPT;
	err = walk(m, in->rcx, out, &e);
	if (err)
		return err;
	if (!take(m, TDX_MODEL_LOCK_ENTRY, true)) {
		e->host_priority = true;
		tell_entry(out, e);
		return TDX_OPERAND_BUSY | TDX_OPERAND_ID_RCX;
	}
	*entry = e;
	return check_state(e, states, out);
}

/* No vCPU that was inside when @e was blocked still is. */
static bool is_tracked(struct tdx_model *m, struct tdx_model_entry *e)
{
	u64 bepoch = tdx_model_page(m, e->hpa)->bepoch;

	if (bepoch & BEPOCH_INVALID)
		return false;
	return bepoch + 1 < m->epoch ||
	       (bepoch + 1 == m->epoch && !m->refcount[bepoch & 1]);
}

/* @page becomes the TD's. */
static void own_page(struct tdx_model *m, struct tdx_model_page *page)
{
	if (page->cached && page->hkid != m->hkid)
		violate(m, "lines of another key are written over the target");
	page->type = TDX_MODEL_REG;
	page->owner = m->tdr;
	page->bepoch = 0;
}

static void write_page(struct tdx_model *m, struct tdx_model_page *page,
		       u64 value)
{
	page->content = value;
	page->hkid = m->hkid;
	page->cached = true;
}

static void measure(struct tdx_model *m, u64 value)
{
	m->mrtd = hash_64(m->mrtd + value, 32);
}

static u64 page_add(struct tdx_model *m, const struct tdx_module_args *in,
		    struct tdx_module_args *out)
{
	struct tdx_model_page *page, *source;
	struct tdx_model_entry *e;
	u64 err;

	err = check_new_td(m, in->rdx, TDX_OPERAND_ID_RDX) ?:
	      check_gpa(in->rcx, PAGE_SIZE) ?:
	      walk(m, in->rcx, out, &e) ?:
	      check_state(e, BIT(TDX_MODEL_FREE), out);
	if (err)
		return err;
	if (!PAGE_ALIGNED(in->r9) || in->r9 >> boot_cpu_data.x86_phys_bits)
		return TDX_OPERAND_INVALID | TDX_OPERAND_ID_R9;
	err = check_target(m, in->r8);
	if (err)
		return err;

	source = tdx_model_page(m, in->r9);
	if (source->hkid)
		violate(m, "the source is not the host's");
	page = tdx_model_page(m, in->r8);
	own_page(m, page);
	write_page(m, page, source->content);
	*e = (struct tdx_model_entry){
		.state = TDX_MODEL_MAPPED, .hpa = in->r8,
	};
	measure(m, in->rcx);
	return SUCCESS;
}

static u64 mr_extend(struct tdx_model *m, const struct tdx_module_args *in,
		     struct tdx_module_args *out)
{
	struct tdx_model_page *page;
	struct tdx_model_entry *e;
	u64 err;

	err = check_new_td(m, in->rdx, TDX_OPERAND_ID_RDX) ?:
	      check_gpa(in->rcx, TDX_EXTENDMR_CHUNKSIZE);
	if (err)
		return err;
	if (walk(m, in->rcx, out, &e))
		return TDX_EPT_ENTRY_NOT_PRESENT | TDX_OPERAND_ID_RCX;
	if (e->state != TDX_MODEL_MAPPED)
		return TDX_EPT_ENTRY_NOT_PRESENT;
	page = tdx_model_page(m, e->hpa);
	if (page->hkid != m->hkid)
		violate(m, "what is measured is not the TD's");
	measure(m, in->rcx);
	measure(m, page->content);
	return SUCCESS;
}

static u64 mr_finalize(struct tdx_model *m, const struct tdx_module_args *in)
{
	u64 err = check_new_td(m, in->rcx, TDX_OPERAND_ID_RCX);

	if (!err)
		m->op_state = TDX_MODEL_RUNNABLE;
	return err;
}

static u64 page_aug(struct tdx_model *m, const struct tdx_module_args *in,
		    struct tdx_module_args *out)
{
	struct tdx_model_entry *e;
	u64 err;

	err = check_td(m, in->rdx, TDX_OPERAND_ID_RDX, OPS_AUG) ?:
	      find_entry(m, in, out, false, FREE, &e) ?:
	      check_target(m, in->r8);
	if (err)
		return err;
	own_page(m, tdx_model_page(m, in->r8));
	*e = (struct tdx_model_entry){
		.state = TDX_MODEL_PENDING, .hpa = in->r8,
	};
	return SUCCESS;
}

static void block(struct tdx_model_entry *e)
{
	if (e->state == TDX_MODEL_NL_MAPPED)
		e->state = TDX_MODEL_NL_BLOCKED;
	else if (BIT(e->state) & ANY_PENDING)
		e->state = TDX_MODEL_PENDING_BLOCKED;
	else
		e->state = TDX_MODEL_BLOCKED;
}

static u64 range_block(struct tdx_model *m, const struct tdx_module_args *in,
		       struct tdx_module_args *out)
{
	struct tdx_model_entry *e;
	u64 err;

	err = check_td(m, in->rdx, TDX_OPERAND_ID_RDX, OPS_MOVE) ?:
	      find_entry(m, in, out, true, BLOCKABLE | ANY_BLOCKED, &e);
	if (err)
		return err;
	if (BIT(e->state) & ANY_BLOCKED) {
		tell_entry(out, e);
		return TDX_GPA_RANGE_ALREADY_BLOCKED | TDX_OPERAND_ID_RCX;
	}
	block(e);
	tdx_model_page(m, e->hpa)->bepoch = m->epoch;
	return SUCCESS;
}

/* What is not blocked stays as it is. */
static void unblock(struct tdx_model_entry *e)
{
	if (e->state == TDX_MODEL_NL_BLOCKED)
		e->state = TDX_MODEL_NL_MAPPED;
	else if (e->state == TDX_MODEL_BLOCKED)
		e->state = TDX_MODEL_MAPPED;
	else if (e->state == TDX_MODEL_PENDING_BLOCKED)
		e->state = TDX_MODEL_PENDING;
}

static u64 range_unblock(struct tdx_model *m, const struct tdx_module_args *in,
			 struct tdx_module_args *out)
{
	struct tdx_model_entry *e;
	u64 err;

	err = check_td(m, in->rdx, TDX_OPERAND_ID_RDX, OPS_MOVE) ?:
	      find_entry(m, in, out, true, ANY_BLOCKED, &e);
	if (err)
		return err;
	if (OPS_TRACKED & BIT(m->op_state) && !is_tracked(m, e))
		return TDX_TLB_TRACKING_NOT_DONE | TDX_OPERAND_ID_SEPT;
	unblock(e);
	return SUCCESS;
}

static u64 mem_track(struct tdx_model *m, const struct tdx_module_args *in,
		     struct tdx_module_args *out)
{
	u64 err = check_td(m, in->rcx, TDX_OPERAND_ID_RCX, OPS_TRACK);

	if (err)
		return err;
	if (!take(m, TDX_MODEL_LOCK_EPOCH, true))
		return TDX_OPERAND_BUSY | TDX_OPERAND_ID_TD_EPOCH;
	if (m->refcount[1 - (m->epoch & 1)])
		return TDX_PREVIOUS_TLB_EPOCH_BUSY;
	m->epoch++;
	return SUCCESS;
}

static u64 check_tracking(struct tdx_model *m, struct tdx_module_args *out,
			  struct tdx_model_entry *e)
{
	if (!(OPS_TRACKED & BIT(m->op_state)) || !(TRACKED & BIT(e->state)))
		return SUCCESS;
	if (!(BIT(e->state) & ANY_BLOCKED)) {
		tell_entry(out, e);
		return TDX_GPA_RANGE_NOT_BLOCKED | TDX_OPERAND_ID_RCX;
	}
	if (!is_tracked(m, e))
		return TDX_TLB_TRACKING_NOT_DONE | TDX_OPERAND_ID_RCX;
	return SUCCESS;
}

static u64 page_relocate(struct tdx_model *m, const struct tdx_module_args *in,
			 struct tdx_module_args *out)
{
	struct tdx_model_page *source, *target;
	u64 gpa = in->rcx, pa = in->r8, err;
	struct tdx_model_entry *e;

	err = check_td(m, in->rdx, TDX_OPERAND_ID_RDX, OPS_MOVE) ?:
	      find_entry(m, in, out, false, LEAF, &e);
	if (err)
		return err;
	if (pa == e->hpa)
		return TDX_OPERAND_INVALID | TDX_OPERAND_ID_R8;
	if (!take(m, TDX_MODEL_LOCK_SOURCE, true))
		return TDX_OPERAND_BUSY | TDX_OPERAND_ID_RCX;
	err = check_tracking(m, out, e) ?: check_target(m, pa);
	if (err)
		return err;

	source = tdx_model_page(m, e->hpa);
	target = tdx_model_page(m, pa);
	own_page(m, target);
	if (!(BIT(e->state) & ANY_PENDING)) {
		if (source->hkid != m->hkid)
			violate(m, "the source is not the TD's");
		write_page(m, target, source->content);
	}
	source->type = TDX_MODEL_NDA;
	out->rcx = e->hpa;
	e->hpa = pa;
	unblock(e);
	if (m->relocated)
		m->relocated(m, gpa);
	return SUCCESS;
}

static u64 page_remove(struct tdx_model *m, const struct tdx_module_args *in,
		       struct tdx_module_args *out)
{
	bool import = OPS_IMPORT & BIT(m->op_state);
	struct tdx_model_entry *e;
	u64 err;

	err = check_td(m, in->rdx, TDX_OPERAND_ID_RDX, OPS_REMOVE) ?:
	      find_entry(m, in, out, false, REMOVABLE, &e);
	if (err)
		return err;
	if (!take(m, TDX_MODEL_LOCK_SOURCE, true))
		return TDX_OPERAND_BUSY | TDX_OPERAND_ID_RCX;
	err = check_tracking(m, out, e);
	if (err)
		return err;
	tdx_model_page(m, e->hpa)->type = TDX_MODEL_NDA;
	out->rcx = e->hpa;
	*e = (struct tdx_model_entry){
		.state = import ? TDX_MODEL_REMOVED : TDX_MODEL_FREE,
	};
	return SUCCESS;
}

static u64 page_wbinvd(struct tdx_model *m, const struct tdx_module_args *in,
		       struct tdx_module_args *out)
{
	u64 pa = in->rcx & (BIT_ULL(boot_cpu_data.x86_phys_bits) - 1);
	u64 hkid = in->rcx >> boot_cpu_data.x86_phys_bits;
	u64 err = check_pa(m, pa, TDX_OPERAND_ID_RCX, TDX_MODEL_LOCK_SOURCE,
			   true, TDX_MODEL_NDA);

	if (err)
		return err;
	if (m->wbinvd_fails)
		return TDX_OPERAND_BUSY | TDX_OPERAND_ID_RCX;
	if (hkid == tdx_model_page(m, pa)->hkid)
		tdx_model_page(m, pa)->cached = false;
	return SUCCESS;
}

u64 tdx_model_seamcall(struct tdx_model *m, u64 fn, struct tdx_module_args *args)
{
	u64 version = (fn >> TDX_VERSION_SHIFT) & 0xff, err;
	struct tdx_module_args in = *args;

	fn &= GENMASK_ULL(15, 0);
	if (fn < TDX_MODEL_LEAVES)
		m->calls[fn]++;
	if (m->not_ready)
		return TDX_SYS_NOT_READY;
	if (m->shutdown)
		return TDX_SYS_SHUTDOWN;
	if (version)
		return TDX_OPERAND_INVALID | TDX_OPERAND_ID_RAX;

	args->rcx = 0;
	args->rdx = 0;
	switch (fn) {
	case TDH_MEM_PAGE_ADD:
		err = page_add(m, &in, args);
		break;
	case TDH_MR_EXTEND:
		return mr_extend(m, &in, args);
	case TDH_MR_FINALIZE:
		return mr_finalize(m, &in);
	case TDH_MEM_PAGE_AUG:
		err = page_aug(m, &in, args);
		break;
	case TDH_MEM_RANGE_BLOCK:
		err = range_block(m, &in, args);
		break;
	case TDH_MEM_RANGE_UNBLOCK:
		err = range_unblock(m, &in, args);
		break;
	case TDH_MEM_PAGE_RELOCATE:
		if (m->no_relocate)
			return TDX_OPERAND_INVALID | TDX_OPERAND_ID_RAX;
		err = page_relocate(m, &in, args);
		break;
	case TDH_MEM_PAGE_REMOVE:
		err = page_remove(m, &in, args);
		break;
	case TDH_MEM_TRACK:
		return mem_track(m, &in, args);
	case TDH_PHYMEM_PAGE_WBINVD:
		return page_wbinvd(m, &in, args);
	default:
		return TDX_OPERAND_INVALID | TDX_OPERAND_ID_RAX;
	}
	if (!err)
		m->sept[PHYS_PFN(in.rcx)].host_priority = false;
	return err;
}

/* An IPI makes all vCPUs exit, from within a TDCALL, too. */
void tdx_model_kick(struct tdx_model *m)
{
	int i;

	for (i = 0; i < TDX_MODEL_VCPUS; i++)
		tdx_model_exit(m, i);
}

/* By a kernel that takes it for ordinary memory: to caches, with key 0. */
void tdx_model_host_write(struct tdx_model *m, u64 pa, u64 value)
{
	struct tdx_model_page *page = tdx_model_page(m, pa);

	if (page->type == TDX_MODEL_REG || page->hkid)
		violate(m, "the host writes to what was not given back");
	page->content = value;
	page->hkid = 0;
	page->cached = true;
}

void tdx_model_clflush(struct tdx_model *m, u64 pa)
{
	struct tdx_model_page *page = tdx_model_page(m, pa);

	/* It is of addresses without a key. */
	if (!page->hkid)
		page->cached = false;
}

/* MOVDIR64B, with key 0. */
void tdx_model_reset(struct tdx_model *m, u64 pa)
{
	struct tdx_model_page *page = tdx_model_page(m, pa);

	if (page->type == TDX_MODEL_REG) {
		violate(m, "the host writes to the TD's memory");
	} else if (page->cached && page->hkid) {
		violate(m, "lines of the TD's key are written over a reset");
	} else {
		page->content = 0;
		page->hkid = 0;
		page->cached = false;
	}
}

int tdx_model_enter(struct tdx_model *m, int vcpu)
{
	struct tdx_model_vcpu *v = &m->vcpu[vcpu];

	if (m->fatal || m->op_state != TDX_MODEL_RUNNABLE || v->inside)
		return -EBUSY;
	if (v->epoch != m->epoch)
		memset(v->tlb, 0, sizeof(v->tlb));
	v->epoch = m->epoch;
	v->inside = true;
	m->refcount[m->epoch & 1]++;
	return 0;
}

void tdx_model_exit(struct tdx_model *m, int vcpu)
{
	struct tdx_model_vcpu *v = &m->vcpu[vcpu];

	if (!v->inside)
		return;
	v->inside = false;
	v->holds = 0;
	m->refcount[v->epoch & 1]--;
}

int tdx_model_accept(struct tdx_model *m, int vcpu, int page)
{
	struct tdx_model_entry *e = &m->sept[page];

	if (!m->vcpu[vcpu].inside || e->host_priority ||
	    e->state == TDX_MODEL_MAPPED)
		return -EBUSY;
	if (e->state != TDX_MODEL_PENDING)
		return -EFAULT;
	write_page(m, tdx_model_page(m, e->hpa), 0);
	e->state = TDX_MODEL_MAPPED;
	return 0;
}

/* Translate like hardware does: what is in the TLB is not looked up again. */
static int translate(struct tdx_model *m, int vcpu, int page,
		     struct tdx_model_page **p)
{
	struct tdx_model_vcpu *v = &m->vcpu[vcpu];
	struct tdx_model_entry *e = &m->sept[page];

	if (!v->inside)
		return -EBUSY;
	if (!v->tlb[page]) {
		if (e->state == TDX_MODEL_PENDING)
			return -ENXIO;
		if (e->state != TDX_MODEL_MAPPED)
			return -EFAULT;
		v->tlb[page] = e->hpa;
	}
	*p = tdx_model_page(m, v->tlb[page]);
	if ((*p)->type != TDX_MODEL_REG || (*p)->owner != m->tdr)
		violate(m, "a vCPU reaches a page that is not the TD's");
	else if (v->tlb[page] != e->hpa)
		violate(m, "a vCPU reaches a page that was moved away");
	return 0;
}

int tdx_model_read(struct tdx_model *m, int vcpu, int page, u64 *value)
{
	struct tdx_model_page *p;
	int r = translate(m, vcpu, page, &p);

	if (r)
		return r;
	if (p->hkid != m->hkid)
		violate(m, "a vCPU reads what was written by another key");
	*value = p->content;
	return 0;
}

int tdx_model_write(struct tdx_model *m, int vcpu, int page, u64 value)
{
	struct tdx_model_page *p;
	int r = translate(m, vcpu, page, &p);

	if (r)
		return r;
	write_page(m, p, value);
	return 0;
}
