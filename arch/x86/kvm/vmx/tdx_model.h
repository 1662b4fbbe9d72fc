/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __KVM_X86_VMX_TDX_MODEL_H
#define __KVM_X86_VMX_TDX_MODEL_H

#include <linux/bits.h>
#include <linux/types.h>
#include <linux/xarray.h>
#include <asm/tdx.h>

#define TDX_MODEL_PAGES		512	/* of the TD, from GPA 0 */
#define TDX_MODEL_VCPUS		2
#define TDX_MODEL_LEAVES	64

/* What KVM has no use for. */
#define TDX_EPT_ENTRY_NOT_PRESENT	0xC0000B0300000000ULL
#define TDX_OPERAND_ID_R9		0x09

/* PAMT.PT */
enum tdx_model_page_type {
	TDX_MODEL_NDA = 0,
	TDX_MODEL_RSVD = 1,
	TDX_MODEL_REG = 3,
	TDX_MODEL_TDR = 4,
};

/*
 * Secure EPT entries, in the module's order.  KVM's TDs get into six of them:
 * nothing is exported, and the one level of the model has leaves, which NL are
 * not.
 */
enum tdx_model_state {
	TDX_MODEL_FREE,
	TDX_MODEL_REMOVED,
	TDX_MODEL_NL_MAPPED,
	TDX_MODEL_NL_BLOCKED,
	TDX_MODEL_MAPPED,
	TDX_MODEL_BLOCKED,
	TDX_MODEL_BLOCKEDW,
	TDX_MODEL_EXPORTED_BLOCKEDW,
	TDX_MODEL_EXPORTED_DIRTY,
	TDX_MODEL_EXPORTED_DIRTY_BLOCKEDW,
	TDX_MODEL_PENDING,
	TDX_MODEL_PENDING_BLOCKED,
	TDX_MODEL_PENDING_BLOCKEDW,
	TDX_MODEL_PENDING_EXPORTED_BLOCKEDW,
	TDX_MODEL_PENDING_EXPORTED_DIRTY,
	TDX_MODEL_PENDING_EXPORTED_DIRTY_BLOCKEDW,
	TDX_MODEL_NR_STATES
};

/* Those that are named are what KVM's TDs get into. */
enum tdx_model_op_state {
	TDX_MODEL_UNINITIALIZED = 0,
	TDX_MODEL_INITIALIZED = 1,
	TDX_MODEL_RUNNABLE = 2,
	TDX_MODEL_NR_OP_STATES = 11
};

/* Whoever cannot take one of these at once gets TDX_OPERAND_BUSY. */
enum tdx_model_lock {
	TDX_MODEL_LOCK_TDR,
	TDX_MODEL_LOCK_OP_STATE,
	TDX_MODEL_LOCK_EPOCH,
	TDX_MODEL_LOCK_TREE,
	TDX_MODEL_LOCK_ENTRY,
	TDX_MODEL_LOCK_SOURCE,	/* PAMT entries */
	TDX_MODEL_LOCK_TARGET,
	TDX_MODEL_NR_LOCKS
};

/* A 4K page of the machine. */
struct tdx_model_page {
	enum tdx_model_page_type type;
	u64 owner;		/* TDR */
	u64 bepoch;
	bool no_tdmr;
	bool large;		/* PAMT has it as part of a 2M page */
	/*
	 * What it holds, by whose key it was written (the host's is 0), and if
	 * only caches have it.
	 */
	u64 content;
	u16 hkid;
	bool cached;
};

struct tdx_model_entry {
	enum tdx_model_state state;
	u64 hpa;
	bool host_priority;
};

struct tdx_model_vcpu {
	bool inside;
	u64 epoch;
	u64 tlb[TDX_MODEL_PAGES];	/* HPA, or 0 */
	unsigned long holds;		/* locks, during a TDCALL */
};

struct tdx_model {
	bool not_ready, shutdown;
	/* The TD. */
	u64 tdr;
	u16 hkid;
	bool fatal, no_keys, no_tdcs;
	unsigned int op_state;
	u64 epoch;
	unsigned int refcount[2];
	u32 mrtd;		/* of what was measured */
	struct tdx_model_entry sept[TDX_MODEL_PAGES];
	struct tdx_model_vcpu vcpu[TDX_MODEL_VCPUS];
	/* Others, not vCPUs, hold it alone, the next so many times. */
	unsigned int busy[TDX_MODEL_NR_LOCKS];
	unsigned long shared;	/* locks that others share */
	/* By PFN; what has not been heard of is ordinary memory in a TDMR. */
	struct xarray pages;
	unsigned int calls[TDX_MODEL_LEAVES];
	/* Called when a page has been relocated. */
	void (*relocated)(struct tdx_model *m, u64 gpa);
	bool wbinvd_fails;
	bool no_relocate;	/* an old module */
	/* Something that hardware would not have survived. */
	const char *violation;
};

void tdx_model_init(struct tdx_model *m, u64 tdr, u16 hkid);
void tdx_model_destroy(struct tdx_model *m);
struct tdx_model_page *tdx_model_page(struct tdx_model *m, u64 pa);

/* The host */
u64 tdx_model_seamcall(struct tdx_model *m, u64 fn,
		       struct tdx_module_args *args);
void tdx_model_kick(struct tdx_model *m);
void tdx_model_host_write(struct tdx_model *m, u64 pa, u64 value);
void tdx_model_clflush(struct tdx_model *m, u64 pa);
void tdx_model_reset(struct tdx_model *m, u64 pa);

/*
 * The guest, which takes what is being exported for blocked.  These return
 * 0; -EFAULT for an EPT violation; -ENXIO for #VE, as the page is pending;
 * -EBUSY where TDCALL returns a status that says so.
 */
int tdx_model_enter(struct tdx_model *m, int vcpu);
void tdx_model_exit(struct tdx_model *m, int vcpu);
int tdx_model_accept(struct tdx_model *m, int vcpu, int page);
int tdx_model_read(struct tdx_model *m, int vcpu, int page, u64 *value);
int tdx_model_write(struct tdx_model *m, int vcpu, int page, u64 value);

#endif /* __KVM_X86_VMX_TDX_MODEL_H */
