// SPDX-License-Identifier: GPL-2.0
/*
 * A model of SEV-SNP, as far as moving pages of a guest goes: the RMP, and the
 * AMD-SP's commands for it.  It is for KUnit, since a processor with SEV-SNP is
 * not at hand.
 *
 * What is checked, in which order, and with which status is that of firmware as
 * published (github.com/amd/AMD-ASPFW, 3ca6650d), not what KVM happens to do;
 * where that is silent, the stricter reading is taken.  There is one guest.
 * Commands and instructions are atomic.
 */
#include <linux/align.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <linux/psp-sev.h>
#include <linux/slab.h>

#include "snp_model.h"

/* In the address that PAGE_RECLAIM is given. */
#define RECLAIM_2M	BIT_ULL(0)

void snp_model_init(struct snp_model *m, u64 gctx, u32 asid)
{
	struct snp_model_page *page;

	memset(m, 0, sizeof(*m));
	xa_init(&m->pages);
	m->platform_init = true;
	m->api_major = 1;
	m->api_minor = 58;
	m->gctx = gctx;
	m->asid = asid;
	m->guest_state = SNP_MODEL_RUNNING;
	m->asid_active = true;

	page = snp_model_page(m, gctx);
	page->assigned = true;
	page->immutable = true;
	page->vmsa = true;
}

void snp_model_destroy(struct snp_model *m)
{
	struct snp_model_page *page;
	unsigned long pfn;

	xa_for_each(&m->pages, pfn, page)
		kfree(page);
	xa_destroy(&m->pages);
}

struct snp_model_page *snp_model_page(struct snp_model *m, u64 pa)
{
	struct snp_model_page *page = xa_load(&m->pages, PHYS_PFN(pa));

	if (page)
		return page;
	page = kzalloc_obj(*page, GFP_ATOMIC | __GFP_NOFAIL);
	xa_store(&m->pages, PHYS_PFN(pa), page, GFP_ATOMIC);
	return page;
}

static bool is_metadata(const struct snp_model_page *page)
{
	return (page->gpa & SNP_MODEL_METADATA_MASK) == SNP_MODEL_METADATA_TAG;
}

enum snp_model_state snp_model_state(struct snp_model *m, u64 pa)
{
	struct snp_model_page *page = snp_model_page(m, pa);

	if (page->no_rmp)
		return SNP_MODEL_DEFAULT;
	if (!page->assigned)
		return page->immutable ? SNP_MODEL_HV_FIXED :
					 SNP_MODEL_HYPERVISOR;
	if (page->asid && page->immutable)
		return page->validated ? SNP_MODEL_PRE_SWAP :
					 SNP_MODEL_PRE_GUEST;
	if (page->asid)
		return page->validated ? SNP_MODEL_GUEST_VALID :
					 SNP_MODEL_GUEST_INVALID;
	if (!page->immutable)
		return SNP_MODEL_RECLAIM;
	if (is_metadata(page))
		return SNP_MODEL_METADATA;
	return page->vmsa ? SNP_MODEL_CONTEXT : SNP_MODEL_FIRMWARE;
}

static void violate(struct snp_model *m, const char *what)
{
	if (!m->violation)
		m->violation = what;
}

static u64 size_of(bool large)
{
	return large ? PMD_SIZE : PAGE_SIZE;
}

static bool rmpupdate_is_valid(u64 pa, const struct rmp_state *s)
{
	if (s->assigned > 1 || s->immutable > 1 || s->rsvd ||
	    s->pagesize > RMP_PG_SIZE_2M)
		return false;
	if (!IS_ALIGNED(pa | s->gpa, size_of(s->pagesize)))
		return false;
	/* No host can make HV_FIXED pages, nor firmware's with a GPA. */
	if (!s->assigned && (s->immutable || s->asid))
		return false;
	return s->asid || !s->gpa;
}

static bool vmsa_in_use(struct snp_model *m, u64 pa)
{
	int i;

	for (i = 0; i < SNP_MODEL_VCPUS; i++)
		if (m->vcpu[i].inside && m->vcpu[i].vmsa == pa)
			return true;
	return false;
}

static int check_rmpupdate(struct snp_model *m, u64 start,
			   const struct rmp_state *s)
{
	u64 end = start + size_of(s->pagesize), pa;
	bool immutable = false, inuse = false, overlap = false;

	if (!rmpupdate_is_valid(start, s))
		return SNP_MODEL_FAIL_INPUT;
	for (pa = start; pa < end; pa += PAGE_SIZE) {
		struct snp_model_page *page = snp_model_page(m, pa);

		if (page->no_rmp)
			return SNP_MODEL_FAIL_INPUT;
		immutable |= page->immutable;
		inuse |= vmsa_in_use(m, pa);
		overlap |= page->assigned && page->large != s->pagesize;
	}
	if (immutable)
		return SNP_MODEL_FAIL_PERMISSION;
	if (inuse)
		return SNP_MODEL_FAIL_INUSE;
	return overlap ? SNP_MODEL_FAIL_OVERLAP : 0;
}

static void rmpupdate_page(struct snp_model_page *page,
			   const struct rmp_state *s, u64 gpa)
{
	bool large = s->assigned && s->pagesize;

	if (page->assigned != s->assigned || page->asid != s->asid ||
	    page->gpa != gpa || page->large != large) {
		page->validated = false;
		page->vmsa = false;
		page->vmpl = 0;
		page->moved &= !s->assigned;
	}
	page->assigned = s->assigned;
	page->immutable = s->immutable;
	page->large = large;
	page->asid = s->asid;
	page->gpa = gpa;
}

int snp_model_rmpupdate(struct snp_model *m, u64 pfn,
			const struct rmp_state *state)
{
	u64 pa = PFN_PHYS(pfn), offset;
	int ret = check_rmpupdate(m, pa, state);

	m->rmpupdates++;
	if (ret)
		return ret;
	if (m->rmpupdate_fails_in && !--m->rmpupdate_fails_in)
		return m->rmpupdate_fails_with;
	for (offset = 0; offset < size_of(state->pagesize); offset += PAGE_SIZE)
		rmpupdate_page(snp_model_page(m, pa + offset), state,
			       state->asid ? state->gpa + offset : 0);
	return 0;
}

int snp_model_rmpread(struct snp_model *m, u64 pfn, struct rmpentry *e,
		      int *level)
{
	struct snp_model_page *page = snp_model_page(m, PFN_PHYS(pfn));

	if (page->no_rmp)
		return -ENOENT;
	*e = (struct rmpentry) {
		.gpa = page->gpa,
		.assigned = page->assigned,
		.pagesize = page->large,
		.immutable = page->immutable,
		.asid = page->asid,
	};
	*level = RMP_TO_PG_LEVEL(page->large);
	return 0;
}

static void fill(struct snp_model_page *page, u64 pa, u64 content, u32 key)
{
	page->content = content;
	page->key = key;
	page->where = pa;
	page->cached = false;
}

static bool is_readable(struct snp_model *m, u64 pa)
{
	struct snp_model_page *page = snp_model_page(m, pa);

	return page->key == m->asid && page->where == pa;
}

static int check_gctx(struct snp_model *m, u64 gctx)
{
	return snp_model_state(m, gctx) == SNP_MODEL_CONTEXT ?
	       SEV_RET_SUCCESS : SEV_RET_INVALID_GUEST;
}

/* There may be other contexts, but none of a guest that was launched. */
static int check_guest_state(struct snp_model *m, u64 gctx)
{
	if (gctx == m->gctx && (m->guest_state == SNP_MODEL_LAUNCH ||
				m->guest_state == SNP_MODEL_RUNNING))
		return SEV_RET_SUCCESS;
	return SEV_RET_INVALID_GUEST_STATE;
}

/*
 * Where in the order this comes is not published.  Only LAUNCH_START gives a
 * guest its policy, and which pages it is about does not matter.
 */
static int check_policy(struct snp_model *m)
{
	bool has_it = m->api_major > 1 ||
		      (m->api_major == 1 && m->api_minor >= 58);

	return has_it && (m->policy & SNP_POLICY_MASK_PAGE_SWAP_DISABLE) ?
	       SEV_RET_POLICY_FAILURE : SEV_RET_SUCCESS;
}

static int check_platform(struct snp_model *m)
{
	return m->platform_init ? SEV_RET_SUCCESS :
				  SEV_RET_INVALID_PLATFORM_STATE;
}

static int check_not_rmp(struct snp_model *m, u64 pa)
{
	return snp_model_page(m, pa)->rmp_table ? SEV_RET_INVALID_PARAM :
						  SEV_RET_SUCCESS;
}

static int check_size(struct snp_model *m, u64 pa, bool large)
{
	return snp_model_page(m, pa)->large == large ?
	       SEV_RET_SUCCESS : SEV_RET_INVALID_PAGE_SIZE;
}

static int check_move_reserved(const struct sev_data_snp_page_move *cmd)
{
	u64 pages = __sme_clr(cmd->src_paddr) | __sme_clr(cmd->dst_paddr);

	if (cmd->rsvd1 || cmd->rsvd2 ||
	    !PAGE_ALIGNED(__sme_clr(cmd->gctx_paddr)) ||
	    !IS_ALIGNED(pages, size_of(cmd->page_size)))
		return SEV_RET_INVALID_PARAM;
	return SEV_RET_SUCCESS;
}

static int check_move_states(struct snp_model *m, u64 src, u64 dst)
{
	enum snp_model_state from = snp_model_state(m, src);
	enum snp_model_state to = snp_model_state(m, dst);
	struct snp_model_page *s = snp_model_page(m, src);
	struct snp_model_page *d = snp_model_page(m, dst);
	bool owns;

	if ((from == SNP_MODEL_PRE_SWAP || from == SNP_MODEL_PRE_GUEST) &&
	    to == SNP_MODEL_PRE_GUEST)
		owns = s->asid == m->asid && d->asid == m->asid;
	else if (from == SNP_MODEL_METADATA && to == SNP_MODEL_FIRMWARE)
		owns = s->gpa == (m->gctx | SNP_MODEL_METADATA_TAG);
	else
		return SEV_RET_INVALID_PAGE_STATE;
	return owns ? SEV_RET_SUCCESS : SEV_RET_INVALID_PAGE_OWNER;
}

static int check_move(struct snp_model *m,
		      const struct sev_data_snp_page_move *cmd)
{
	u64 gctx = __sme_clr(cmd->gctx_paddr);
	u64 src = __sme_clr(cmd->src_paddr);
	u64 dst = __sme_clr(cmd->dst_paddr);

	return check_move_reserved(cmd) ?:
	       check_platform(m) ?:
	       check_not_rmp(m, gctx) ?:
	       check_not_rmp(m, src) ?:
	       check_not_rmp(m, dst) ?:
	       check_gctx(m, gctx) ?:
	       check_size(m, src, cmd->page_size) ?:
	       check_size(m, dst, cmd->page_size) ?:
	       check_guest_state(m, gctx) ?:
	       check_policy(m) ?:
	       (m->asid_active ? SEV_RET_SUCCESS : SEV_RET_INACTIVE) ?:
	       check_move_states(m, src, dst);
}

/* The status that the test wants for @cmd, once. */
static int injected(struct snp_model *m, int cmd)
{
	int status = m->fail[cmd];

	m->fail[cmd] = SEV_RET_SUCCESS;
	return status;
}

static void move_guest_page(struct snp_model *m, u64 src, u64 dst)
{
	struct snp_model_page *s = snp_model_page(m, src);
	struct snp_model_page *d = snp_model_page(m, dst);

	if (d->cached && d->key != m->asid)
		violate(m, "lines of a former key overwrite the destination");
	/* Garbage stays garbage. */
	fill(d, dst, s->content, is_readable(m, src) ? m->asid : 0);
	d->gpa = s->gpa;
	d->vmsa = s->vmsa;
	d->vmpl = s->vmpl;
	d->validated = s->validated;
	d->immutable = false;
	d->moved = false;

	s->vmsa = false;
	s->vmpl = 0;
	s->validated = false;
	s->immutable = false;
	s->moved = true;
}

static void move_metadata_page(struct snp_model *m, u64 src, u64 dst)
{
	struct snp_model_page *s = snp_model_page(m, src);
	struct snp_model_page *d = snp_model_page(m, dst);

	fill(d, dst, s->content, 0);
	d->gpa = s->gpa;
	s->gpa = 0;
}

static int page_move(struct snp_model *m,
		     const struct sev_data_snp_page_move *cmd)
{
	u64 src = __sme_clr(cmd->src_paddr), dst = __sme_clr(cmd->dst_paddr);
	int status = check_move(m, cmd) ?: injected(m, SEV_CMD_SNP_PAGE_MOVE);
	u64 size = size_of(cmd->page_size), offset;
	bool metadata;

	if (status)
		return status;
	metadata = snp_model_state(m, src) == SNP_MODEL_METADATA;
	for (offset = 0; offset < size; offset += PAGE_SIZE) {
		if (metadata)
			move_metadata_page(m, src + offset, dst + offset);
		else
			move_guest_page(m, src + offset, dst + offset);
	}
	if (m->moved)
		m->moved(m, src, dst);
	return SEV_RET_SUCCESS;
}

static int check_md_init(struct snp_model *m, u64 gctx, u64 pa)
{
	if (!PAGE_ALIGNED(gctx | pa))
		return SEV_RET_INVALID_PARAM;
	return check_platform(m) ?:
	       check_not_rmp(m, gctx) ?:
	       check_not_rmp(m, pa) ?:
	       (snp_model_state(m, pa) == SNP_MODEL_FIRMWARE ?
		SEV_RET_SUCCESS : SEV_RET_INVALID_PAGE_STATE) ?:
	       check_size(m, pa, false) ?:
	       check_gctx(m, gctx) ?:
	       check_guest_state(m, gctx);
}

static int page_md_init(struct snp_model *m,
			const struct sev_data_snp_page_md_init *cmd)
{
	u64 gctx = __sme_clr(cmd->gctx_paddr), pa = __sme_clr(cmd->page_paddr);
	struct snp_model_page *page = snp_model_page(m, pa);
	int status;

	status = check_md_init(m, gctx, pa) ?:
		 injected(m, SEV_CMD_SNP_PAGE_MD_INIT);
	if (status)
		return status;
	page->gpa = gctx | SNP_MODEL_METADATA_TAG;
	fill(page, pa, 0, 0);
	return SEV_RET_SUCCESS;
}

static int check_reclaim(struct snp_model *m, u64 paddr)
{
	bool large = paddr & RECLAIM_2M;
	u64 pa = paddr & PAGE_MASK;
	int status;

	if (paddr & ~(PAGE_MASK | RECLAIM_2M))
		return SEV_RET_INVALID_PARAM;
	status = check_platform(m) ?: check_not_rmp(m, pa) ?:
		 check_size(m, pa, large);
	if (status)
		return status;
	if (!IS_ALIGNED(pa, size_of(large)))
		return SEV_RET_INVALID_ADDRESS;
	switch (snp_model_state(m, pa)) {
	case SNP_MODEL_HV_FIXED:
	case SNP_MODEL_CONTEXT:
	case SNP_MODEL_DEFAULT:
		return SEV_RET_INVALID_PAGE_STATE;
	default:
		return SEV_RET_SUCCESS;
	}
}

static int page_reclaim(struct snp_model *m,
			const struct sev_data_snp_page_reclaim *cmd)
{
	u64 paddr = __sme_clr(cmd->paddr), pa = paddr & PAGE_MASK, end;
	int status;

	status = check_reclaim(m, paddr) ?:
		 injected(m, SEV_CMD_SNP_PAGE_RECLAIM);
	if (status)
		return status;
	end = pa + size_of(paddr & RECLAIM_2M);
	for (; pa < end; pa += PAGE_SIZE) {
		struct snp_model_page *page = snp_model_page(m, pa);

		page->immutable = false;
		if (!page->asid)
			page->gpa = 0;
	}
	return SEV_RET_SUCCESS;
}

int snp_model_command(struct snp_model *m, int cmd, void *data, int *psp_ret)
{
	int status;

	if (cmd >= 0 && cmd < SNP_MODEL_COMMANDS)
		m->calls[cmd]++;
	if (psp_ret)
		*psp_ret = 0;
	if (m->dead)
		return -EBUSY;

	switch (cmd) {
	case SEV_CMD_SNP_PAGE_MOVE:
		status = page_move(m, data);
		break;
	case SEV_CMD_SNP_PAGE_MD_INIT:
		status = page_md_init(m, data);
		break;
	case SEV_CMD_SNP_PAGE_RECLAIM:
		status = page_reclaim(m, data);
		break;
	default:
		status = SEV_RET_INVALID_COMMAND;
		break;
	}
	if (psp_ret)
		*psp_ret = status;
	return status ? -EIO : 0;
}

void snp_model_clflush(struct snp_model *m, u64 pa)
{
	snp_model_page(m, pa)->cached = false;
}

/* An IPI makes all vCPUs exit, and they come back with another TLB tag. */
void snp_model_kick(struct snp_model *m)
{
	int i;

	for (i = 0; i < SNP_MODEL_VCPUS; i++) {
		snp_model_exit(m, i);
		memset(m->vcpu[i].tlb, 0, sizeof(m->vcpu[i].tlb));
	}
}

static bool is_guest_vmsa(struct snp_model *m, u64 pa)
{
	struct snp_model_page *page = snp_model_page(m, pa);

	return snp_model_state(m, pa) == SNP_MODEL_GUEST_VALID && page->vmsa &&
	       page->asid == m->asid;
}

int snp_model_enter(struct snp_model *m, int vcpu)
{
	struct snp_model_vcpu *v = &m->vcpu[vcpu];

	if (v->inside)
		return -EBUSY;
	if (v->vmsa && !is_guest_vmsa(m, v->vmsa))
		return -EINVAL;
	if (v->vmsa && !is_readable(m, v->vmsa))
		violate(m, "a vCPU's registers are garbage");
	v->inside = true;
	return 0;
}

/* What is in the TLB outlives this: it is tagged with the ASID. */
void snp_model_exit(struct snp_model *m, int vcpu)
{
	m->vcpu[vcpu].inside = false;
}

/*
 * Translate like hardware does: what is in the TLB is not looked up again.
 * Whether the page is validated is left to the caller.
 */
static int translate(struct snp_model *m, int vcpu, int page, u64 *pa)
{
	struct snp_model_vcpu *v = &m->vcpu[vcpu];
	u64 gpa = (u64)page * PAGE_SIZE;
	enum snp_model_state state;
	struct snp_model_page *p;

	if (!v->inside)
		return -EBUSY;
	*pa = v->tlb[page];
	if (!*pa && m->npt)
		*pa = m->npt(m, gpa);
	if (!*pa)
		return -EFAULT;
	p = snp_model_page(m, *pa);
	if (p->moved)
		violate(m, "a vCPU reaches a page that was moved away");
	state = snp_model_state(m, *pa);
	if ((state != SNP_MODEL_GUEST_VALID &&
	     state != SNP_MODEL_GUEST_INVALID) ||
	    p->asid != m->asid || p->gpa != gpa)
		return -EFAULT;
	v->tlb[page] = *pa;
	return 0;
}

static int translate_validated(struct snp_model *m, int vcpu, int page, u64 *pa)
{
	int r = translate(m, vcpu, page, pa);

	if (r)
		return r;
	return snp_model_page(m, *pa)->validated ? 0 : -EACCES;
}

int snp_model_pvalidate(struct snp_model *m, int vcpu, int page)
{
	struct snp_model_page *p;
	u64 pa;
	int r = translate(m, vcpu, page, &pa);

	if (r)
		return r;
	p = snp_model_page(m, pa);
	/* The host has to smash it first. */
	if (p->large)
		return -EFAULT;
	if (p->validated)
		return -EALREADY;
	p->validated = true;
	return 0;
}

int snp_model_rmpadjust(struct snp_model *m, int vcpu, int page, bool vmsa)
{
	u64 pa;
	int r = translate_validated(m, vcpu, page, &pa);

	if (r)
		return r;
	snp_model_page(m, pa)->vmsa = vmsa;
	return 0;
}

int snp_model_read(struct snp_model *m, int vcpu, int page, u64 *value)
{
	u64 pa;
	int r = translate_validated(m, vcpu, page, &pa);

	if (r)
		return r;
	if (!is_readable(m, pa))
		violate(m, "a vCPU reads garbage");
	*value = snp_model_page(m, pa)->content;
	return 0;
}

int snp_model_write(struct snp_model *m, int vcpu, int page, u64 value)
{
	struct snp_model_page *p;
	u64 pa;
	int r = translate_validated(m, vcpu, page, &pa);

	if (r)
		return r;
	p = snp_model_page(m, pa);
	fill(p, pa, value, m->asid);
	p->cached = true;
	return 0;
}
