/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __KVM_X86_SVM_SNP_MODEL_H
#define __KVM_X86_SVM_SNP_MODEL_H

#include <linux/bits.h>
#include <linux/types.h>
#include <linux/xarray.h>
#include <asm/sev.h>

#define SNP_MODEL_PAGES		512	/* of the guest, from GPA 0 */
#define SNP_MODEL_VCPUS		2
#define SNP_MODEL_COMMANDS	0x100

/* What RMPUPDATE returns. */
#define SNP_MODEL_FAIL_INPUT		1
#define SNP_MODEL_FAIL_PERMISSION	2
#define SNP_MODEL_FAIL_INUSE		3
#define SNP_MODEL_FAIL_OVERLAP		4

/* RMP.GPA of a METADATA page is the guest's context, tagged. */
#define SNP_MODEL_METADATA_TAG	BIT_ULL(48)
#define SNP_MODEL_METADATA_MASK	GENMASK_ULL(50, 48)

/* PAGE_MD_INIT's buffer.  KVM has no metadata pages yet. */
struct sev_data_snp_page_md_init {
	u64 gctx_paddr;
	u64 page_paddr;
} __packed;

/* What an RMP entry says of its page. */
enum snp_model_state {
	SNP_MODEL_HYPERVISOR,
	SNP_MODEL_HV_FIXED,
	SNP_MODEL_RECLAIM,
	SNP_MODEL_FIRMWARE,
	SNP_MODEL_CONTEXT,
	SNP_MODEL_METADATA,
	SNP_MODEL_PRE_GUEST,
	SNP_MODEL_PRE_SWAP,
	SNP_MODEL_GUEST_INVALID,
	SNP_MODEL_GUEST_VALID,
	SNP_MODEL_DEFAULT,	/* there is no entry */
	SNP_MODEL_NR_STATES
};

enum snp_model_guest_state {
	SNP_MODEL_INIT,
	SNP_MODEL_LAUNCH,
	SNP_MODEL_RUNNING,
	SNP_MODEL_NR_GUEST_STATES
};

/* A 4K page of the machine. */
struct snp_model_page {
	bool no_rmp;		/* the RMP does not cover it */
	bool rmp_table;		/* the RMP is kept in it */
	/* The entry.  A 2M page has one for each of its 4K pages here. */
	bool assigned, validated, immutable, vmsa, large;
	u32 asid;
	u64 gpa;
	u64 vmpl;
	/* PAGE_MOVE emptied it, and it has not been assigned anew. */
	bool moved;
	/*
	 * What it holds, by whose key it was written (0 is the host's), for
	 * which address, and if only caches have it.
	 */
	u64 content;
	u32 key;
	u64 where;
	bool cached;
};

struct snp_model_vcpu {
	bool inside;
	u64 vmsa;			/* PA, or 0 if that does not matter */
	u64 tlb[SNP_MODEL_PAGES];	/* PA, or 0 */
};

struct snp_model {
	/* The AMD-SP. */
	bool dead;
	bool platform_init;
	u8 api_major, api_minor;
	/* The guest. */
	u64 gctx;
	u32 asid;
	u64 policy;
	enum snp_model_guest_state guest_state;
	bool asid_active;
	struct snp_model_vcpu vcpu[SNP_MODEL_VCPUS];
	/* The NPT is KVM's: where does @gpa lead?  0 if it is not mapped. */
	u64 (*npt)(struct snp_model *m, u64 gpa);
	/* Called when PAGE_MOVE has succeeded, before it returns. */
	void (*moved)(struct snp_model *m, u64 src, u64 dst);
	/* By PFN; what has not been heard of is a page of the host's. */
	struct xarray pages;
	unsigned int calls[SNP_MODEL_COMMANDS];
	unsigned int rmpupdates;
	/* The next command that would succeed has this status and no effect. */
	int fail[SNP_MODEL_COMMANDS];
	/* So does an RMPUPDATE: 1 is the next one that would succeed. */
	unsigned int rmpupdate_fails_in;
	int rmpupdate_fails_with;
	/* Something that hardware or the guest would not have survived. */
	const char *violation;
};

void snp_model_init(struct snp_model *m, u64 gctx, u32 asid);
void snp_model_destroy(struct snp_model *m);
struct snp_model_page *snp_model_page(struct snp_model *m, u64 pa);
enum snp_model_state snp_model_state(struct snp_model *m, u64 pa);

/* The host.  RMPUPDATE returns EAX, a command what sev_do_cmd() does. */
int snp_model_rmpupdate(struct snp_model *m, u64 pfn,
			const struct rmp_state *state);
int snp_model_rmpread(struct snp_model *m, u64 pfn, struct rmpentry *e,
		      int *level);
int snp_model_command(struct snp_model *m, int cmd, void *data, int *psp_ret);
void snp_model_clflush(struct snp_model *m, u64 pa);
void snp_model_kick(struct snp_model *m);

/*
 * The guest.  VMRUN returns 0; -EINVAL if it fails for want of a VMSA page.
 * The others return 0; -EFAULT for #NPF; -EACCES for #VC, as the page is not
 * validated; -EALREADY where PVALIDATE changes nothing.  All return -EBUSY to a
 * vCPU that is (VMRUN) or is not (the others) inside.
 */
int snp_model_enter(struct snp_model *m, int vcpu);
void snp_model_exit(struct snp_model *m, int vcpu);
int snp_model_pvalidate(struct snp_model *m, int vcpu, int page);
int snp_model_rmpadjust(struct snp_model *m, int vcpu, int page, bool vmsa);
int snp_model_read(struct snp_model *m, int vcpu, int page, u64 *value);
int snp_model_write(struct snp_model *m, int vcpu, int page, u64 value);

#endif /* __KVM_X86_SVM_SNP_MODEL_H */
