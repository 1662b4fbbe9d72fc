// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the model of SEV-SNP: rule by rule what is published, see the
 * top of snp_model.c.  There is no KVM in these.
 *
 *	echo 1 > /sys/kernel/debug/kunit/snp_model/run
 */
#include <kunit/resource.h>
#include <kunit/test.h>
#include <linux/psp-sev.h>

#include "snp_model.h"

#define ASID		5
#define GCTX_PA		0x100000ULL
#define OTHER_GCTX_PA	0x101000ULL
#define SRC_PA		0x200000ULL
#define DST_PA		0x400000ULL
#define PAGE		3
#define GPA		(PAGE * PAGE_SIZE)
#define OTHER_GPA	(GPA + PAGE_SIZE)
#define VALUE		0x5ec3e7ULL
#define VMPL		0x0f0f0f0fULL
#define METADATA_GPA	(GCTX_PA | SNP_MODEL_METADATA_TAG)

struct snp_guest {
	struct snp_model m;
	u64 pt[SNP_MODEL_PAGES];
	bool told;	/* that a page was moved */
};

static const struct snp_model_page entries[SNP_MODEL_NR_STATES] = {
	[SNP_MODEL_HYPERVISOR]	  = { },
	[SNP_MODEL_HV_FIXED]	  = { .immutable = true },
	[SNP_MODEL_RECLAIM]	  = { .assigned = true },
	[SNP_MODEL_FIRMWARE]	  = { .assigned = true, .immutable = true },
	[SNP_MODEL_CONTEXT]	  = { .assigned = true, .immutable = true,
				      .vmsa = true },
	[SNP_MODEL_METADATA]	  = { .assigned = true, .immutable = true,
				      .gpa = METADATA_GPA },
	[SNP_MODEL_PRE_GUEST]	  = { .assigned = true, .immutable = true,
				      .asid = ASID, .gpa = GPA },
	[SNP_MODEL_PRE_SWAP]	  = { .assigned = true, .immutable = true,
				      .asid = ASID, .gpa = GPA,
				      .validated = true },
	[SNP_MODEL_GUEST_INVALID] = { .assigned = true, .asid = ASID,
				      .gpa = GPA },
	[SNP_MODEL_GUEST_VALID]	  = { .assigned = true, .asid = ASID,
				      .gpa = GPA, .validated = true },
	[SNP_MODEL_DEFAULT]	  = { .no_rmp = true },
};

static const struct rmp_state shared = { };
static const struct rmp_state private = {
	.assigned = 1, .asid = ASID, .gpa = GPA,
};

static const struct rmp_state private_immutable = {
	.assigned = 1, .immutable = 1, .asid = ASID, .gpa = GPA,
};

static const struct rmp_state large_immutable = {
	.assigned = 1, .immutable = 1, .asid = ASID,
	.pagesize = RMP_PG_SIZE_2M,
};

static u64 npt_lookup(struct snp_model *m, u64 gpa)
{
	return container_of(m, struct snp_guest, m)->pt[gpa / PAGE_SIZE];
}

static void npt_map(struct snp_model *m, int page, u64 pa)
{
	container_of(m, struct snp_guest, m)->pt[page] = pa;
}

KUNIT_DEFINE_ACTION_WRAPPER(model_destroy, snp_model_destroy,
			    struct snp_model *);

static struct snp_model *model_create(struct kunit *test)
{
	struct snp_guest *g = kunit_kzalloc(test, sizeof(*g), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, g);
	snp_model_init(&g->m, GCTX_PA, ASID);
	g->m.npt = npt_lookup;
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, model_destroy, &g->m));
	return &g->m;
}

static void set_state(struct snp_model *m, u64 pa, enum snp_model_state state)
{
	*snp_model_page(m, pa) = entries[state];
}

static int update_rmp(struct snp_model *m, u64 pa,
		      const struct rmp_state *state)
{
	return snp_model_rmpupdate(m, PHYS_PFN(pa), state);
}

/* The status, or what is returned if there is none. */
static int command(struct snp_model *m, int cmd, void *data)
{
	int status = SEV_RET_NO_FW_CALL;
	int r = snp_model_command(m, cmd, data, &status);

	return status ?: r;
}

static int page_move(struct snp_model *m, u64 src, u64 dst)
{
	struct sev_data_snp_page_move cmd = {
		.gctx_paddr = m->gctx, .src_paddr = src, .dst_paddr = dst,
	};

	return command(m, SEV_CMD_SNP_PAGE_MOVE, &cmd);
}

static int page_reclaim(struct snp_model *m, u64 paddr)
{
	struct sev_data_snp_page_reclaim cmd = { .paddr = paddr };

	return command(m, SEV_CMD_SNP_PAGE_RECLAIM, &cmd);
}

static int page_md_init(struct snp_model *m, u64 pa)
{
	struct sev_data_snp_page_md_init cmd = {
		.gctx_paddr = m->gctx, .page_paddr = pa,
	};

	return command(m, SEV_CMD_SNP_PAGE_MD_INIT, &cmd);
}

static u64 guest_read(struct snp_model *m)
{
	u64 value = 0;

	snp_model_enter(m, 0);
	snp_model_read(m, 0, PAGE, &value);
	snp_model_exit(m, 0);
	return value;
}

/* The guest has VALUE in its page, which is at SRC_PA. */
static void guest_fill(struct kunit *test, struct snp_model *m)
{
	KUNIT_ASSERT_EQ(test, 0, update_rmp(m, SRC_PA, &private));
	npt_map(m, PAGE, SRC_PA);
	KUNIT_ASSERT_EQ(test, 0, snp_model_enter(m, 0));
	KUNIT_ASSERT_EQ(test, 0, snp_model_pvalidate(m, 0, PAGE));
	KUNIT_ASSERT_EQ(test, 0, snp_model_write(m, 0, PAGE, VALUE));
	snp_model_exit(m, 0);
}

static void expect_state(struct kunit *test, struct snp_model *m, u64 pa,
			 enum snp_model_state state)
{
	KUNIT_EXPECT_EQ_MSG(test, state, snp_model_state(m, pa), "%llx", pa);
}

static void expect_no_violation(struct kunit *test, struct snp_model *m)
{
	KUNIT_EXPECT_STREQ(test, "", m->violation ?: "");
}

/* From @src to @dst, which the host does not have mapped. */
static void move_immutable(struct kunit *test, struct snp_model *m, u64 src,
			   u64 dst)
{
	KUNIT_EXPECT_EQ(test, 0, update_rmp(m, dst, &private_immutable));
	KUNIT_EXPECT_EQ(test, 0, update_rmp(m, src, &private_immutable));
	KUNIT_EXPECT_EQ(test, SEV_RET_SUCCESS, page_move(m, src, dst));
}

static void entries_have_states(struct kunit *test)
{
	struct snp_model *m = model_create(test);
	int state;

	for (state = 0; state < SNP_MODEL_NR_STATES; state++) {
		set_state(m, SRC_PA, state);
		expect_state(test, m, SRC_PA, state);
	}
	expect_state(test, m, DST_PA, SNP_MODEL_HYPERVISOR);
	expect_state(test, m, GCTX_PA, SNP_MODEL_CONTEXT);
}

static void rmpread_tells_the_entry(struct kunit *test)
{
	struct snp_model *m = model_create(test);
	struct rmpentry e;
	int level;

	set_state(m, SRC_PA, SNP_MODEL_PRE_SWAP);
	KUNIT_EXPECT_EQ(test, 0,
			snp_model_rmpread(m, PHYS_PFN(SRC_PA), &e, &level));
	KUNIT_EXPECT_TRUE(test, e.assigned);
	KUNIT_EXPECT_TRUE(test, e.immutable);
	KUNIT_EXPECT_EQ(test, ASID, e.asid);
	KUNIT_EXPECT_EQ(test, GPA, e.gpa);
	KUNIT_EXPECT_FALSE(test, e.pagesize);
	KUNIT_EXPECT_EQ(test, PG_LEVEL_4K, level);

	snp_model_page(m, SRC_PA)->large = true;
	KUNIT_EXPECT_EQ(test, 0,
			snp_model_rmpread(m, PHYS_PFN(SRC_PA), &e, &level));
	KUNIT_EXPECT_TRUE(test, e.pagesize);
	KUNIT_EXPECT_EQ(test, PG_LEVEL_2M, level);

	set_state(m, SRC_PA, SNP_MODEL_DEFAULT);
	KUNIT_EXPECT_EQ(test, -ENOENT,
			snp_model_rmpread(m, PHYS_PFN(SRC_PA), &e, &level));
}

/* A call that one of the faults is put into. */
struct snp_call {
	struct sev_data_snp_page_move move;
	struct sev_data_snp_page_md_init md_init;
};

static void fault_rsvd1(struct snp_model *m, struct snp_call *c)
{
	c->move.rsvd1 = 1;
}

static void fault_rsvd2(struct snp_model *m, struct snp_call *c)
{
	c->move.rsvd2 = 1;
}

static void fault_gctx_unaligned(struct snp_model *m, struct snp_call *c)
{
	c->move.gctx_paddr |= 8;
}

static void fault_src_unaligned(struct snp_model *m, struct snp_call *c)
{
	c->move.src_paddr |= 8;
}

static void fault_dst_unaligned(struct snp_model *m, struct snp_call *c)
{
	c->move.dst_paddr |= 8;
}

static void fault_platform(struct snp_model *m, struct snp_call *c)
{
	m->platform_init = false;
}

static void fault_gctx_in_rmp(struct snp_model *m, struct snp_call *c)
{
	snp_model_page(m, GCTX_PA)->rmp_table = true;
}

static void fault_src_in_rmp(struct snp_model *m, struct snp_call *c)
{
	snp_model_page(m, SRC_PA)->rmp_table = true;
}

static void fault_dst_in_rmp(struct snp_model *m, struct snp_call *c)
{
	snp_model_page(m, DST_PA)->rmp_table = true;
}

static void fault_gctx_is_none(struct snp_model *m, struct snp_call *c)
{
	snp_model_page(m, GCTX_PA)->vmsa = false;
}

static void fault_src_large(struct snp_model *m, struct snp_call *c)
{
	snp_model_page(m, SRC_PA)->large = true;
}

static void fault_dst_large(struct snp_model *m, struct snp_call *c)
{
	snp_model_page(m, DST_PA)->large = true;
}

static void fault_guest_state(struct snp_model *m, struct snp_call *c)
{
	m->guest_state = SNP_MODEL_INIT;
}

static void fault_policy(struct snp_model *m, struct snp_call *c)
{
	m->policy |= SNP_POLICY_MASK_PAGE_SWAP_DISABLE;
}

static void fault_inactive(struct snp_model *m, struct snp_call *c)
{
	m->asid_active = false;
}

static void fault_src_state(struct snp_model *m, struct snp_call *c)
{
	snp_model_page(m, SRC_PA)->immutable = false;
}

static void fault_dst_state(struct snp_model *m, struct snp_call *c)
{
	snp_model_page(m, DST_PA)->validated = true;
}

static void fault_src_owner(struct snp_model *m, struct snp_call *c)
{
	snp_model_page(m, SRC_PA)->asid = ASID + 1;
}

static void fault_dst_owner(struct snp_model *m, struct snp_call *c)
{
	snp_model_page(m, DST_PA)->asid = ASID + 1;
}

/* What PAGE_MOVE checks, in this order. */
static const struct {
	int status;
	void (*set)(struct snp_model *m, struct snp_call *c);
} move_checks[] = {
	{ SEV_RET_INVALID_PARAM, fault_rsvd1 },
	{ SEV_RET_INVALID_PARAM, fault_rsvd2 },
	{ SEV_RET_INVALID_PARAM, fault_gctx_unaligned },
	{ SEV_RET_INVALID_PARAM, fault_src_unaligned },
	{ SEV_RET_INVALID_PARAM, fault_dst_unaligned },
	{ SEV_RET_INVALID_PLATFORM_STATE, fault_platform },
	{ SEV_RET_INVALID_PARAM, fault_gctx_in_rmp },
	{ SEV_RET_INVALID_PARAM, fault_src_in_rmp },
	{ SEV_RET_INVALID_PARAM, fault_dst_in_rmp },
	{ SEV_RET_INVALID_GUEST, fault_gctx_is_none },
	{ SEV_RET_INVALID_PAGE_SIZE, fault_src_large },
	{ SEV_RET_INVALID_PAGE_SIZE, fault_dst_large },
	{ SEV_RET_INVALID_GUEST_STATE, fault_guest_state },
	{ SEV_RET_POLICY_FAILURE, fault_policy },
	{ SEV_RET_INACTIVE, fault_inactive },
	{ SEV_RET_INVALID_PAGE_STATE, fault_src_state },
	{ SEV_RET_INVALID_PAGE_STATE, fault_dst_state },
	{ SEV_RET_INVALID_PAGE_OWNER, fault_src_owner },
	{ SEV_RET_INVALID_PAGE_OWNER, fault_dst_owner },
};

/* With all of those checks failing that are from @first on, before @end. */
static void expect_move_fails(struct kunit *test, int first, int end)
{
	struct snp_call c = { .move = {
		.gctx_paddr = GCTX_PA, .src_paddr = SRC_PA, .dst_paddr = DST_PA,
	} };
	struct snp_model *m = model_create(test);
	struct snp_model_page src, dst;
	int i, status;

	set_state(m, SRC_PA, SNP_MODEL_PRE_SWAP);
	set_state(m, DST_PA, SNP_MODEL_PRE_GUEST);
	for (i = first; i < end; i++)
		move_checks[i].set(m, &c);
	src = *snp_model_page(m, SRC_PA);
	dst = *snp_model_page(m, DST_PA);

	KUNIT_EXPECT_EQ(test, -EIO,
			snp_model_command(m, SEV_CMD_SNP_PAGE_MOVE, &c.move,
					  &status));
	KUNIT_EXPECT_EQ_MSG(test, move_checks[first].status, status,
			    "check %d", first);
	KUNIT_EXPECT_MEMEQ(test, &src, snp_model_page(m, SRC_PA), sizeof(src));
	KUNIT_EXPECT_MEMEQ(test, &dst, snp_model_page(m, DST_PA), sizeof(dst));
}

/* With the first few put right the next one is told. */
static void move_checks_in_order(struct kunit *test)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(move_checks); i++) {
		expect_move_fails(test, i, i + 1);
		expect_move_fails(test, i, ARRAY_SIZE(move_checks));
	}
}

/* Every pair of states that PAGE_MOVE admits, and what becomes of it. */
static const struct {
	enum snp_model_state src, dst, new_src, new_dst;
} move_states[] = {
	{ SNP_MODEL_PRE_SWAP, SNP_MODEL_PRE_GUEST,
	  SNP_MODEL_GUEST_INVALID, SNP_MODEL_GUEST_VALID },
	{ SNP_MODEL_PRE_GUEST, SNP_MODEL_PRE_GUEST,
	  SNP_MODEL_GUEST_INVALID, SNP_MODEL_GUEST_INVALID },
	{ SNP_MODEL_METADATA, SNP_MODEL_FIRMWARE,
	  SNP_MODEL_FIRMWARE, SNP_MODEL_METADATA },
};

static void expect_move(struct kunit *test, enum snp_model_state src,
			enum snp_model_state dst)
{
	struct snp_model *m = model_create(test);
	enum snp_model_state new_src = src, new_dst = dst;
	int i, expected = SEV_RET_INVALID_PAGE_STATE, status;

	for (i = 0; i < ARRAY_SIZE(move_states); i++) {
		if (move_states[i].src != src || move_states[i].dst != dst)
			continue;
		expected = SEV_RET_SUCCESS;
		new_src = move_states[i].new_src;
		new_dst = move_states[i].new_dst;
	}
	set_state(m, SRC_PA, src);
	set_state(m, DST_PA, dst);
	status = page_move(m, SRC_PA, DST_PA);
	KUNIT_EXPECT_EQ_MSG(test, expected, status, "from %d to %d", src, dst);
	expect_state(test, m, SRC_PA, new_src);
	expect_state(test, m, DST_PA, new_dst);
}

static void move_admits_states(struct kunit *test)
{
	int src, dst;

	for (src = 0; src < SNP_MODEL_NR_STATES; src++)
		for (dst = 0; dst < SNP_MODEL_NR_STATES; dst++)
			expect_move(test, src, dst);
}

static void commands_admit_guest_states(struct kunit *test)
{
	static const int expected[SNP_MODEL_NR_GUEST_STATES] = {
		[SNP_MODEL_INIT]	= SEV_RET_INVALID_GUEST_STATE,
		[SNP_MODEL_LAUNCH]	= SEV_RET_SUCCESS,
		[SNP_MODEL_RUNNING]	= SEV_RET_SUCCESS,
	};
	int state;

	for (state = 0; state < SNP_MODEL_NR_GUEST_STATES; state++) {
		struct snp_model *m = model_create(test);

		m->guest_state = state;
		set_state(m, SRC_PA, SNP_MODEL_PRE_SWAP);
		set_state(m, DST_PA, SNP_MODEL_PRE_GUEST);
		KUNIT_EXPECT_EQ(test, expected[state],
				page_move(m, SRC_PA, DST_PA));
		set_state(m, DST_PA, SNP_MODEL_FIRMWARE);
		KUNIT_EXPECT_EQ(test, expected[state], page_md_init(m, DST_PA));
	}
}

static void context_of_another_guest_is_refused(struct kunit *test)
{
	struct snp_model *m = model_create(test);
	struct sev_data_snp_page_move cmd = {
		.gctx_paddr = OTHER_GCTX_PA,
		.src_paddr = SRC_PA,
		.dst_paddr = DST_PA,
	};

	set_state(m, OTHER_GCTX_PA, SNP_MODEL_CONTEXT);
	set_state(m, SRC_PA, SNP_MODEL_PRE_SWAP);
	set_state(m, DST_PA, SNP_MODEL_PRE_GUEST);
	KUNIT_EXPECT_EQ(test, SEV_RET_INVALID_GUEST_STATE,
			command(m, SEV_CMD_SNP_PAGE_MOVE, &cmd));
}

/* Firmware that does not know the bit does not mind it. */
static void policy_may_disable_moves(struct kunit *test)
{
	static const struct {
		u8 major, minor;
		u64 policy;
		int status;
	} policies[] = {
		{ 1, 57, SNP_POLICY_MASK_PAGE_SWAP_DISABLE, SEV_RET_SUCCESS },
		{ 1, 58, SNP_POLICY_MASK_PAGE_SWAP_DISABLE,
		  SEV_RET_POLICY_FAILURE },
		{ 1, 59, SNP_POLICY_MASK_PAGE_SWAP_DISABLE,
		  SEV_RET_POLICY_FAILURE },
		{ 2, 0, SNP_POLICY_MASK_PAGE_SWAP_DISABLE,
		  SEV_RET_POLICY_FAILURE },
		{ 0, 99, SNP_POLICY_MASK_PAGE_SWAP_DISABLE, SEV_RET_SUCCESS },
		{ 1, 58, ~SNP_POLICY_MASK_PAGE_SWAP_DISABLE, SEV_RET_SUCCESS },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		struct snp_model *m = model_create(test);

		m->api_major = policies[i].major;
		m->api_minor = policies[i].minor;
		m->policy = policies[i].policy;
		set_state(m, SRC_PA, SNP_MODEL_PRE_SWAP);
		set_state(m, DST_PA, SNP_MODEL_PRE_GUEST);
		KUNIT_EXPECT_EQ_MSG(test, policies[i].status,
				    page_move(m, SRC_PA, DST_PA), "row %d", i);
	}
}

static void move_takes_the_entry_along(struct kunit *test)
{
	struct snp_model *m = model_create(test);
	struct snp_model_page *src = snp_model_page(m, SRC_PA);
	struct snp_model_page *dst = snp_model_page(m, DST_PA);

	set_state(m, SRC_PA, SNP_MODEL_PRE_SWAP);
	src->vmsa = true;
	src->vmpl = VMPL;
	/* Which GPA the destination has been given does not matter. */
	set_state(m, DST_PA, SNP_MODEL_PRE_GUEST);
	dst->gpa = 0;
	KUNIT_EXPECT_EQ(test, SEV_RET_SUCCESS, page_move(m, SRC_PA, DST_PA));
	KUNIT_EXPECT_EQ(test, GPA, dst->gpa);
	KUNIT_EXPECT_TRUE(test, dst->vmsa);
	KUNIT_EXPECT_EQ(test, VMPL, dst->vmpl);
	KUNIT_EXPECT_FALSE(test, src->vmsa);
	KUNIT_EXPECT_EQ(test, 0, src->vmpl);
}

static void guest_page_moves(struct kunit *test)
{
	struct snp_model *m = model_create(test);

	guest_fill(test, m);
	npt_map(m, PAGE, 0);
	snp_model_kick(m);
	move_immutable(test, m, SRC_PA, DST_PA);
	npt_map(m, PAGE, DST_PA);
	KUNIT_EXPECT_EQ(test, VALUE, guest_read(m));
	KUNIT_EXPECT_EQ(test, 1, m->calls[SEV_CMD_SNP_PAGE_MOVE]);
	KUNIT_EXPECT_EQ(test, 3, m->rmpupdates);
	expect_no_violation(test, m);
}

static void guest_page_moves_back(struct kunit *test)
{
	struct snp_model *m = model_create(test);

	guest_fill(test, m);
	npt_map(m, PAGE, 0);
	snp_model_kick(m);
	move_immutable(test, m, SRC_PA, DST_PA);
	move_immutable(test, m, DST_PA, SRC_PA);
	/* The AMD-SP wrote it, not the guest. */
	KUNIT_EXPECT_FALSE(test, snp_model_page(m, SRC_PA)->cached);
	npt_map(m, PAGE, SRC_PA);
	KUNIT_EXPECT_EQ(test, VALUE, guest_read(m));
	expect_no_violation(test, m);
}

/* A PRE_GUEST page's contents go along, but whether it is valid stays. */
static void page_that_is_not_validated_moves(struct kunit *test)
{
	struct snp_model *m = model_create(test);
	u64 value;

	guest_fill(test, m);
	npt_map(m, PAGE, DST_PA);
	snp_model_kick(m);
	snp_model_page(m, SRC_PA)->validated = false;
	move_immutable(test, m, SRC_PA, DST_PA);
	KUNIT_EXPECT_EQ(test, 0, snp_model_enter(m, 0));
	KUNIT_EXPECT_EQ(test, -EACCES, snp_model_read(m, 0, PAGE, &value));
	KUNIT_EXPECT_EQ(test, 0, snp_model_pvalidate(m, 0, PAGE));
	KUNIT_EXPECT_EQ(test, 0, snp_model_read(m, 0, PAGE, &value));
	KUNIT_EXPECT_EQ(test, VALUE, value);
	expect_no_violation(test, m);
}

static void tell_if_moved(struct snp_model *m, u64 src, u64 dst)
{
	container_of(m, struct snp_guest, m)->told =
		snp_model_state(m, src) == SNP_MODEL_GUEST_INVALID &&
		snp_model_state(m, dst) == SNP_MODEL_GUEST_VALID;
}

static void move_is_told_of(struct kunit *test)
{
	struct snp_model *m = model_create(test);
	struct snp_guest *g = container_of(m, struct snp_guest, m);

	m->moved = tell_if_moved;
	set_state(m, SRC_PA, SNP_MODEL_PRE_SWAP);
	set_state(m, DST_PA, SNP_MODEL_FIRMWARE);
	KUNIT_EXPECT_EQ(test, SEV_RET_INVALID_PAGE_STATE,
			page_move(m, SRC_PA, DST_PA));
	KUNIT_EXPECT_FALSE(test, g->told);
	set_state(m, DST_PA, SNP_MODEL_PRE_GUEST);
	KUNIT_EXPECT_EQ(test, SEV_RET_SUCCESS, page_move(m, SRC_PA, DST_PA));
	KUNIT_EXPECT_TRUE(test, g->told);
}

/* What is at @pa is not what the guest wrote there. */
static void expect_garbage(struct kunit *test, u32 key, u64 where)
{
	struct snp_model *m = model_create(test);

	guest_fill(test, m);
	expect_no_violation(test, m);
	snp_model_page(m, SRC_PA)->key = key;
	snp_model_page(m, SRC_PA)->where = where;
	guest_read(m);
	KUNIT_EXPECT_NOT_NULL(test, m->violation);
}

static void contents_are_bound_to_key_and_address(struct kunit *test)
{
	expect_garbage(test, 0, SRC_PA);
	expect_garbage(test, ASID + 1, SRC_PA);
	expect_garbage(test, ASID, DST_PA);
}

/* As a host would have it that does without the AMD-SP. */
static void copied_ciphertext_is_garbage(struct kunit *test)
{
	struct snp_model *m = model_create(test);

	guest_fill(test, m);
	*snp_model_page(m, DST_PA) = *snp_model_page(m, SRC_PA);
	npt_map(m, PAGE, DST_PA);
	snp_model_kick(m);
	guest_read(m);
	KUNIT_EXPECT_NOT_NULL(test, m->violation);
}

static void garbage_stays_garbage(struct kunit *test)
{
	struct snp_model *m = model_create(test);

	guest_fill(test, m);
	snp_model_page(m, SRC_PA)->where = DST_PA;
	npt_map(m, PAGE, DST_PA);
	snp_model_kick(m);
	move_immutable(test, m, SRC_PA, DST_PA);
	expect_no_violation(test, m);
	guest_read(m);
	KUNIT_EXPECT_NOT_NULL(test, m->violation);
}

static void former_key_is_noticed(struct kunit *test)
{
	struct snp_model *m = model_create(test);

	set_state(m, SRC_PA, SNP_MODEL_PRE_SWAP);
	set_state(m, DST_PA, SNP_MODEL_PRE_GUEST);
	snp_model_page(m, DST_PA)->key = ASID + 1;
	snp_model_page(m, DST_PA)->cached = true;
	KUNIT_EXPECT_EQ(test, SEV_RET_SUCCESS, page_move(m, SRC_PA, DST_PA));
	KUNIT_EXPECT_NOT_NULL(test, m->violation);
}

/* Neither PAGE_MOVE nor RMPUPDATE writes the source's lines back. */
static void lines_stay_cached_until_they_are_flushed(struct kunit *test)
{
	struct snp_model *m = model_create(test);
	struct snp_model_page *src = snp_model_page(m, SRC_PA);

	guest_fill(test, m);
	move_immutable(test, m, SRC_PA, DST_PA);
	KUNIT_EXPECT_EQ(test, 0, update_rmp(m, SRC_PA, &shared));
	KUNIT_EXPECT_TRUE(test, src->cached);
	KUNIT_EXPECT_EQ(test, ASID, src->key);
	snp_model_clflush(m, SRC_PA);
	KUNIT_EXPECT_FALSE(test, src->cached);
	KUNIT_EXPECT_FALSE(test, snp_model_page(m, DST_PA)->cached);
}

static void large_page_moves(struct kunit *test)
{
	struct sev_data_snp_page_move cmd = {
		.gctx_paddr = GCTX_PA, .page_size = RMP_PG_SIZE_2M,
		.src_paddr = SRC_PA, .dst_paddr = DST_PA,
	};
	struct snp_model *m = model_create(test);
	u64 last = PMD_SIZE - PAGE_SIZE;

	KUNIT_EXPECT_EQ(test, 0, update_rmp(m, SRC_PA, &large_immutable));
	KUNIT_EXPECT_EQ(test, 0, update_rmp(m, DST_PA, &large_immutable));
	snp_model_page(m, DST_PA + last)->gpa = 0;
	set_state(m, DST_PA + PMD_SIZE, SNP_MODEL_PRE_GUEST);
	cmd.src_paddr += PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, SEV_RET_INVALID_PARAM,
			command(m, SEV_CMD_SNP_PAGE_MOVE, &cmd));
	cmd.src_paddr -= PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, SEV_RET_INVALID_PAGE_SIZE,
			page_move(m, SRC_PA, DST_PA));
	KUNIT_EXPECT_EQ(test, SEV_RET_SUCCESS,
			command(m, SEV_CMD_SNP_PAGE_MOVE, &cmd));
	expect_state(test, m, SRC_PA + last, SNP_MODEL_GUEST_INVALID);
	expect_state(test, m, DST_PA + last, SNP_MODEL_GUEST_INVALID);
	KUNIT_EXPECT_EQ(test, last, snp_model_page(m, DST_PA + last)->gpa);
	expect_state(test, m, DST_PA + PMD_SIZE, SNP_MODEL_PRE_GUEST);
}

static void metadata_moves(struct kunit *test)
{
	struct snp_model *m = model_create(test);

	set_state(m, SRC_PA, SNP_MODEL_METADATA);
	set_state(m, DST_PA, SNP_MODEL_FIRMWARE);
	snp_model_page(m, SRC_PA)->content = VALUE;
	KUNIT_EXPECT_EQ(test, SEV_RET_SUCCESS, page_move(m, SRC_PA, DST_PA));
	KUNIT_EXPECT_EQ(test, VALUE, snp_model_page(m, DST_PA)->content);
	KUNIT_EXPECT_EQ(test, METADATA_GPA, snp_model_page(m, DST_PA)->gpa);
	KUNIT_EXPECT_EQ(test, 0, snp_model_page(m, SRC_PA)->gpa);
}

static void metadata_of_another_guest_stays(struct kunit *test)
{
	struct snp_model *m = model_create(test);

	set_state(m, SRC_PA, SNP_MODEL_METADATA);
	snp_model_page(m, SRC_PA)->gpa = OTHER_GCTX_PA | SNP_MODEL_METADATA_TAG;
	set_state(m, DST_PA, SNP_MODEL_FIRMWARE);
	KUNIT_EXPECT_EQ(test, SEV_RET_INVALID_PAGE_OWNER,
			page_move(m, SRC_PA, DST_PA));
}

static void metadata_is_made_and_reclaimed(struct kunit *test)
{
	struct snp_model *m = model_create(test);

	set_state(m, SRC_PA, SNP_MODEL_FIRMWARE);
	snp_model_page(m, SRC_PA)->content = VALUE;
	snp_model_page(m, SRC_PA)->key = ASID;
	KUNIT_EXPECT_EQ(test, SEV_RET_SUCCESS, page_md_init(m, SRC_PA));
	expect_state(test, m, SRC_PA, SNP_MODEL_METADATA);
	KUNIT_EXPECT_EQ(test, METADATA_GPA, snp_model_page(m, SRC_PA)->gpa);
	KUNIT_EXPECT_EQ(test, 0, snp_model_page(m, SRC_PA)->content);
	KUNIT_EXPECT_EQ(test, 0, snp_model_page(m, SRC_PA)->key);
	KUNIT_EXPECT_EQ(test, SEV_RET_SUCCESS, page_reclaim(m, SRC_PA));
	KUNIT_EXPECT_EQ(test, 0, snp_model_page(m, SRC_PA)->gpa);
}

static void md_init_admits_states(struct kunit *test)
{
	int state;

	for (state = 0; state < SNP_MODEL_NR_STATES; state++) {
		struct snp_model *m = model_create(test);
		int expected = SEV_RET_SUCCESS;

		if (state != SNP_MODEL_FIRMWARE)
			expected = SEV_RET_INVALID_PAGE_STATE;
		set_state(m, SRC_PA, state);
		KUNIT_EXPECT_EQ_MSG(test, expected, page_md_init(m, SRC_PA),
				    "state %d", state);
	}
}

static void fault_md_unaligned(struct snp_model *m, struct snp_call *c)
{
	c->md_init.page_paddr |= 8;
}

/* What PAGE_MD_INIT checks. */
static const struct {
	int status;
	void (*set)(struct snp_model *m, struct snp_call *c);
} md_init_checks[] = {
	{ SEV_RET_INVALID_PARAM, fault_md_unaligned },
	{ SEV_RET_INVALID_PLATFORM_STATE, fault_platform },
	{ SEV_RET_INVALID_PARAM, fault_gctx_in_rmp },
	{ SEV_RET_INVALID_PARAM, fault_src_in_rmp },
	{ SEV_RET_INVALID_PAGE_STATE, fault_src_state },
	{ SEV_RET_INVALID_PAGE_SIZE, fault_src_large },
	{ SEV_RET_INVALID_GUEST, fault_gctx_is_none },
	{ SEV_RET_INVALID_GUEST_STATE, fault_guest_state },
};

static void expect_md_init_fails(struct kunit *test, int first, int end)
{
	struct snp_call c = {
		.md_init = { .gctx_paddr = GCTX_PA, .page_paddr = SRC_PA },
	};
	struct snp_model *m = model_create(test);
	int i;

	set_state(m, SRC_PA, SNP_MODEL_FIRMWARE);
	for (i = first; i < end; i++)
		md_init_checks[i].set(m, &c);
	KUNIT_EXPECT_EQ_MSG(test, md_init_checks[first].status,
			    command(m, SEV_CMD_SNP_PAGE_MD_INIT, &c.md_init),
			    "check %d", first);
	KUNIT_EXPECT_EQ(test, 0, snp_model_page(m, SRC_PA)->gpa);
}

static void md_init_checks_in_order(struct kunit *test)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(md_init_checks); i++) {
		expect_md_init_fails(test, i, i + 1);
		expect_md_init_fails(test, i, ARRAY_SIZE(md_init_checks));
	}
}

/* What is not immutable is left alone, and that is no error. */
static void reclaim_admits_states(struct kunit *test)
{
	static const struct {
		int status;
		enum snp_model_state new;
	} reclaims[SNP_MODEL_NR_STATES] = {
		[SNP_MODEL_HYPERVISOR] = {
			SEV_RET_SUCCESS, SNP_MODEL_HYPERVISOR },
		[SNP_MODEL_HV_FIXED] = {
			SEV_RET_INVALID_PAGE_STATE, SNP_MODEL_HV_FIXED },
		[SNP_MODEL_RECLAIM] = {
			SEV_RET_SUCCESS, SNP_MODEL_RECLAIM },
		[SNP_MODEL_FIRMWARE] = {
			SEV_RET_SUCCESS, SNP_MODEL_RECLAIM },
		[SNP_MODEL_CONTEXT] = {
			SEV_RET_INVALID_PAGE_STATE, SNP_MODEL_CONTEXT },
		[SNP_MODEL_METADATA] = {
			SEV_RET_SUCCESS, SNP_MODEL_RECLAIM },
		[SNP_MODEL_PRE_GUEST] = {
			SEV_RET_SUCCESS, SNP_MODEL_GUEST_INVALID },
		[SNP_MODEL_PRE_SWAP] = {
			SEV_RET_SUCCESS, SNP_MODEL_GUEST_VALID },
		[SNP_MODEL_GUEST_INVALID] = {
			SEV_RET_SUCCESS, SNP_MODEL_GUEST_INVALID },
		[SNP_MODEL_GUEST_VALID] = {
			SEV_RET_SUCCESS, SNP_MODEL_GUEST_VALID },
		[SNP_MODEL_DEFAULT] = {
			SEV_RET_INVALID_PAGE_STATE, SNP_MODEL_DEFAULT },
	};
	int state;

	for (state = 0; state < SNP_MODEL_NR_STATES; state++) {
		struct snp_model *m = model_create(test);

		set_state(m, SRC_PA, state);
		KUNIT_EXPECT_EQ_MSG(test, reclaims[state].status,
				    page_reclaim(m, SRC_PA), "state %d", state);
		expect_state(test, m, SRC_PA, reclaims[state].new);
	}
}

static void reclaim_checks_in_order(struct kunit *test)
{
	struct snp_model *m = model_create(test);
	u64 misaligned = SRC_PA + PAGE_SIZE;

	set_state(m, misaligned, SNP_MODEL_HV_FIXED);
	snp_model_page(m, misaligned)->rmp_table = true;
	m->platform_init = false;
	KUNIT_EXPECT_EQ(test, SEV_RET_INVALID_PARAM,
			page_reclaim(m, misaligned | 2 | RMP_PG_SIZE_2M));
	KUNIT_EXPECT_EQ(test, SEV_RET_INVALID_PLATFORM_STATE,
			page_reclaim(m, misaligned | RMP_PG_SIZE_2M));
	m->platform_init = true;
	KUNIT_EXPECT_EQ(test, SEV_RET_INVALID_PARAM,
			page_reclaim(m, misaligned | RMP_PG_SIZE_2M));
	snp_model_page(m, misaligned)->rmp_table = false;
	KUNIT_EXPECT_EQ(test, SEV_RET_INVALID_PAGE_SIZE,
			page_reclaim(m, misaligned | RMP_PG_SIZE_2M));
	snp_model_page(m, misaligned)->large = true;
	KUNIT_EXPECT_EQ(test, SEV_RET_INVALID_PAGE_SIZE,
			page_reclaim(m, misaligned));
	KUNIT_EXPECT_EQ(test, SEV_RET_INVALID_ADDRESS,
			page_reclaim(m, misaligned | RMP_PG_SIZE_2M));
}

static void large_page_is_reclaimed(struct kunit *test)
{
	struct snp_model *m = model_create(test);

	/* What follows it has nothing to do with it. */
	set_state(m, SRC_PA + PMD_SIZE, SNP_MODEL_PRE_GUEST);
	KUNIT_EXPECT_EQ(test, 0, update_rmp(m, SRC_PA, &large_immutable));
	KUNIT_EXPECT_EQ(test, SEV_RET_SUCCESS,
			page_reclaim(m, SRC_PA | RMP_PG_SIZE_2M));
	expect_state(test, m, SRC_PA, SNP_MODEL_GUEST_INVALID);
	expect_state(test, m, SRC_PA + PMD_SIZE - PAGE_SIZE,
		     SNP_MODEL_GUEST_INVALID);
	expect_state(test, m, SRC_PA + PMD_SIZE, SNP_MODEL_PRE_GUEST);
}

/*
 * What RMPUPDATE makes of a page.  One that is validated stays so only if its
 * ASID, GPA and size do.
 */
static const struct {
	struct rmp_state state;
	enum snp_model_state new, new_if_valid;
} rmpupdates[] = {
	{ { }, SNP_MODEL_HYPERVISOR, SNP_MODEL_HYPERVISOR },
	{ { .assigned = 1 }, SNP_MODEL_RECLAIM, SNP_MODEL_RECLAIM },
	{ { .assigned = 1, .immutable = 1 }, SNP_MODEL_FIRMWARE,
	  SNP_MODEL_FIRMWARE },
	{ { .assigned = 1, .asid = ASID, .gpa = GPA },
	  SNP_MODEL_GUEST_INVALID, SNP_MODEL_GUEST_VALID },
	{ { .assigned = 1, .asid = ASID, .gpa = GPA, .immutable = 1 },
	  SNP_MODEL_PRE_GUEST, SNP_MODEL_PRE_SWAP },
	{ { .assigned = 1, .asid = ASID, .gpa = OTHER_GPA },
	  SNP_MODEL_GUEST_INVALID, SNP_MODEL_GUEST_INVALID },
	{ { .assigned = 1, .asid = ASID, .gpa = OTHER_GPA, .immutable = 1 },
	  SNP_MODEL_PRE_GUEST, SNP_MODEL_PRE_GUEST },
	{ { .assigned = 1, .asid = ASID + 1, .gpa = GPA },
	  SNP_MODEL_GUEST_INVALID, SNP_MODEL_GUEST_INVALID },
	{ { .assigned = 1, .asid = ASID + 1, .gpa = GPA, .immutable = 1 },
	  SNP_MODEL_PRE_GUEST, SNP_MODEL_PRE_GUEST },
};

static int rmpupdate_result(enum snp_model_state state)
{
	if (state == SNP_MODEL_DEFAULT)
		return SNP_MODEL_FAIL_INPUT;
	return entries[state].immutable ? SNP_MODEL_FAIL_PERMISSION : 0;
}

static void expect_rmpupdate(struct kunit *test, enum snp_model_state state,
			     int i)
{
	struct snp_model *m = model_create(test);
	int expected = rmpupdate_result(state);
	enum snp_model_state new = rmpupdates[i].new;

	set_state(m, SRC_PA, state);
	KUNIT_EXPECT_EQ_MSG(test, expected,
			    update_rmp(m, SRC_PA, &rmpupdates[i].state),
			    "state %d, row %d", state, i);
	if (expected)
		new = state;
	else if (state == SNP_MODEL_GUEST_VALID)
		new = rmpupdates[i].new_if_valid;
	expect_state(test, m, SRC_PA, new);
}

static void rmpupdate_changes_states(struct kunit *test)
{
	int state, i;

	for (state = 0; state < SNP_MODEL_NR_STATES; state++)
		for (i = 0; i < ARRAY_SIZE(rmpupdates); i++)
			expect_rmpupdate(test, state, i);
}

static void expect_kept(struct kunit *test, const struct rmp_state *state,
			bool kept)
{
	struct snp_model *m = model_create(test);
	struct snp_model_page *page = snp_model_page(m, SRC_PA);

	set_state(m, SRC_PA, SNP_MODEL_GUEST_VALID);
	page->vmsa = true;
	page->vmpl = VMPL;
	KUNIT_EXPECT_EQ(test, 0, update_rmp(m, SRC_PA, state));
	KUNIT_EXPECT_EQ(test, kept, page->validated);
	KUNIT_EXPECT_EQ(test, kept, page->vmsa);
	KUNIT_EXPECT_EQ(test, kept ? VMPL : 0, page->vmpl);
}

/* VMSA and VMPL go with it. */
static void rmpupdate_keeps_what_the_guest_set(struct kunit *test)
{
	struct rmp_state state = private;

	expect_kept(test, &state, true);
	state.immutable = 1;
	expect_kept(test, &state, true);
	state.gpa = OTHER_GPA;
	expect_kept(test, &state, false);
	state = private;
	state.asid++;
	expect_kept(test, &state, false);
	expect_kept(test, &shared, false);
}

static void rmpupdate_refuses_input(struct kunit *test)
{
	static const struct {
		u64 pa;
		struct rmp_state state;
	} bad[] = {
		{ SRC_PA, { .rsvd = 1 } },
		{ SRC_PA, { .pagesize = 2 } },
		{ SRC_PA, { .assigned = 2 } },
		{ SRC_PA, { .assigned = 1, .immutable = 2 } },
		{ SRC_PA, { .immutable = 1 } },
		{ SRC_PA, { .asid = ASID } },
		{ SRC_PA, { .gpa = GPA } },
		{ SRC_PA, { .assigned = 1, .gpa = GPA } },
		{ SRC_PA, { .assigned = 1, .immutable = 1,
			    .gpa = METADATA_GPA } },
		{ SRC_PA, { .assigned = 1, .asid = ASID, .gpa = GPA + 8 } },
		{ SRC_PA, { .assigned = 1, .asid = ASID, .gpa = GPA,
			    .pagesize = RMP_PG_SIZE_2M } },
		{ SRC_PA + PAGE_SIZE, { .pagesize = RMP_PG_SIZE_2M } },
	};
	struct snp_model *m = model_create(test);
	int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		KUNIT_EXPECT_EQ_MSG(test, SNP_MODEL_FAIL_INPUT,
				    update_rmp(m, bad[i].pa, &bad[i].state),
				    "row %d", i);
	expect_state(test, m, SRC_PA, SNP_MODEL_HYPERVISOR);
}

static void sizes_must_not_overlap(struct kunit *test)
{
	static const struct rmp_state large = {
		.assigned = 1, .asid = ASID, .pagesize = RMP_PG_SIZE_2M,
	};
	static const struct rmp_state large_shared = {
		.pagesize = RMP_PG_SIZE_2M,
	};
	struct snp_model *m = model_create(test);
	u64 inner = SRC_PA + GPA;

	KUNIT_EXPECT_EQ(test, 0, update_rmp(m, inner, &private));
	KUNIT_EXPECT_EQ(test, SNP_MODEL_FAIL_OVERLAP,
			update_rmp(m, SRC_PA, &large));
	KUNIT_EXPECT_EQ(test, 0, update_rmp(m, inner, &shared));
	KUNIT_EXPECT_EQ(test, 0, update_rmp(m, SRC_PA, &large));
	KUNIT_EXPECT_EQ(test, GPA, snp_model_page(m, inner)->gpa);
	KUNIT_EXPECT_EQ(test, SNP_MODEL_FAIL_OVERLAP,
			update_rmp(m, inner, &private));
	KUNIT_EXPECT_EQ(test, SNP_MODEL_FAIL_OVERLAP,
			update_rmp(m, inner, &shared));
	KUNIT_EXPECT_EQ(test, 0, update_rmp(m, SRC_PA, &large_shared));
	KUNIT_EXPECT_EQ(test, 0, update_rmp(m, inner, &private));
}

/* @m's first vCPU has a VMSA, at SRC_PA. */
static void vmsa_fill(struct kunit *test, struct snp_model *m)
{
	guest_fill(test, m);
	KUNIT_ASSERT_EQ(test, 0, snp_model_enter(m, 0));
	KUNIT_ASSERT_EQ(test, 0, snp_model_rmpadjust(m, 0, PAGE, true));
	snp_model_exit(m, 0);
	m->vcpu[0].vmsa = SRC_PA;
}

static void vmsa_in_use_is_not_updated(struct kunit *test)
{
	struct snp_model *m = model_create(test);

	vmsa_fill(test, m);
	KUNIT_EXPECT_EQ(test, 0, snp_model_enter(m, 0));
	KUNIT_EXPECT_EQ(test, SNP_MODEL_FAIL_INUSE,
			update_rmp(m, SRC_PA, &private_immutable));
	KUNIT_EXPECT_EQ(test, SNP_MODEL_FAIL_INUSE,
			update_rmp(m, SRC_PA, &shared));
	expect_state(test, m, SRC_PA, SNP_MODEL_GUEST_VALID);
	snp_model_exit(m, 0);
	KUNIT_EXPECT_EQ(test, 0, update_rmp(m, SRC_PA, &private_immutable));
}

static void vmrun_finds_a_vmsa_where_it_moved(struct kunit *test)
{
	struct snp_model *m = model_create(test);

	vmsa_fill(test, m);
	snp_model_kick(m);
	move_immutable(test, m, SRC_PA, DST_PA);
	KUNIT_EXPECT_EQ(test, -EINVAL, snp_model_enter(m, 0));
	m->vcpu[0].vmsa = DST_PA;
	KUNIT_EXPECT_EQ(test, 0, snp_model_enter(m, 0));
	expect_no_violation(test, m);
}

static void expect_vmrun_fails(struct kunit *test,
			       const struct snp_model_page *vmsa)
{
	struct snp_model *m = model_create(test);

	*snp_model_page(m, SRC_PA) = *vmsa;
	m->vcpu[0].vmsa = SRC_PA;
	KUNIT_EXPECT_EQ(test, -EINVAL, snp_model_enter(m, 0));
	KUNIT_EXPECT_FALSE(test, m->vcpu[0].inside);
}

static void vmrun_wants_a_vmsa(struct kunit *test)
{
	struct snp_model_page vmsa;
	int state;

	for (state = 0; state < SNP_MODEL_NR_STATES; state++) {
		vmsa = entries[state];
		vmsa.vmsa = state != SNP_MODEL_GUEST_VALID;
		expect_vmrun_fails(test, &vmsa);
	}
	vmsa = entries[SNP_MODEL_GUEST_VALID];
	vmsa.vmsa = true;
	vmsa.asid++;
	expect_vmrun_fails(test, &vmsa);
}

static void vmrun_with_garbage_is_noticed(struct kunit *test)
{
	struct snp_model *m = model_create(test);

	vmsa_fill(test, m);
	snp_model_page(m, SRC_PA)->where = DST_PA;
	KUNIT_EXPECT_EQ(test, 0, snp_model_enter(m, 0));
	KUNIT_EXPECT_NOT_NULL(test, m->violation);
}

static void expect_access(struct kunit *test,
			  const struct snp_model_page *entry, int access,
			  int pvalidate)
{
	struct snp_model *m = model_create(test);
	u64 value;

	*snp_model_page(m, SRC_PA) = *entry;
	npt_map(m, PAGE, SRC_PA);
	KUNIT_EXPECT_EQ(test, -EBUSY, snp_model_read(m, 0, PAGE, &value));
	KUNIT_EXPECT_EQ(test, 0, snp_model_enter(m, 0));
	KUNIT_EXPECT_EQ(test, -EBUSY, snp_model_enter(m, 0));
	KUNIT_EXPECT_EQ(test, access, snp_model_write(m, 0, PAGE, VALUE));
	KUNIT_EXPECT_EQ(test, access, snp_model_read(m, 0, PAGE, &value));
	KUNIT_EXPECT_EQ(test, access, snp_model_rmpadjust(m, 0, PAGE, false));
	KUNIT_EXPECT_EQ(test, pvalidate, snp_model_pvalidate(m, 0, PAGE));
	expect_no_violation(test, m);
}

static void guest_reaches_what_is_its_own(struct kunit *test)
{
	static const struct {
		int access, pvalidate;
	} expected[SNP_MODEL_NR_STATES] = {
		[SNP_MODEL_HYPERVISOR]	  = { -EFAULT, -EFAULT },
		[SNP_MODEL_HV_FIXED]	  = { -EFAULT, -EFAULT },
		[SNP_MODEL_RECLAIM]	  = { -EFAULT, -EFAULT },
		[SNP_MODEL_FIRMWARE]	  = { -EFAULT, -EFAULT },
		[SNP_MODEL_CONTEXT]	  = { -EFAULT, -EFAULT },
		[SNP_MODEL_METADATA]	  = { -EFAULT, -EFAULT },
		[SNP_MODEL_PRE_GUEST]	  = { -EFAULT, -EFAULT },
		[SNP_MODEL_PRE_SWAP]	  = { -EFAULT, -EFAULT },
		[SNP_MODEL_GUEST_INVALID] = { -EACCES, 0 },
		[SNP_MODEL_GUEST_VALID]	  = { 0, -EALREADY },
		[SNP_MODEL_DEFAULT]	  = { -EFAULT, -EFAULT },
	};
	struct snp_model_page entry;
	int state;

	for (state = 0; state < SNP_MODEL_NR_STATES; state++)
		expect_access(test, &entries[state], expected[state].access,
			      expected[state].pvalidate);
	entry = entries[SNP_MODEL_GUEST_VALID];
	entry.gpa = OTHER_GPA;
	expect_access(test, &entry, -EFAULT, -EFAULT);
	entry.gpa = GPA;
	entry.asid++;
	expect_access(test, &entry, -EFAULT, -EFAULT);
	entry = entries[SNP_MODEL_GUEST_INVALID];
	entry.large = true;
	expect_access(test, &entry, -EACCES, -EFAULT);
}

static void page_that_is_not_mapped_faults(struct kunit *test)
{
	struct snp_model *m = model_create(test);
	u64 value;

	set_state(m, SRC_PA, SNP_MODEL_GUEST_VALID);
	KUNIT_EXPECT_EQ(test, 0, snp_model_enter(m, 0));
	KUNIT_EXPECT_EQ(test, -EFAULT, snp_model_read(m, 0, PAGE, &value));
	KUNIT_EXPECT_EQ(test, -EFAULT, snp_model_pvalidate(m, 0, PAGE));
}

/* Not even leaving clears it. */
static void translation_lasts_until_a_flush(struct kunit *test)
{
	struct snp_model *m = model_create(test);
	u64 value;

	guest_fill(test, m);
	npt_map(m, PAGE, 0);
	KUNIT_EXPECT_EQ(test, VALUE, guest_read(m));
	KUNIT_EXPECT_EQ(test, 0, snp_model_enter(m, 0));
	KUNIT_EXPECT_EQ(test, 0, snp_model_read(m, 0, PAGE, &value));
	snp_model_kick(m);
	KUNIT_EXPECT_FALSE(test, m->vcpu[0].inside);
	KUNIT_EXPECT_EQ(test, 0, snp_model_enter(m, 0));
	KUNIT_EXPECT_EQ(test, -EFAULT, snp_model_read(m, 0, PAGE, &value));
	expect_no_violation(test, m);
}

/* The page was mapped by the TLB only, and moved though. */
static void stale_translation_is_noticed(struct kunit *test)
{
	struct snp_model *m = model_create(test);
	u64 value;

	guest_fill(test, m);
	npt_map(m, PAGE, 0);
	move_immutable(test, m, SRC_PA, DST_PA);
	npt_map(m, PAGE, DST_PA);
	KUNIT_EXPECT_EQ(test, 0, snp_model_enter(m, 0));
	KUNIT_EXPECT_EQ(test, -EACCES, snp_model_read(m, 0, PAGE, &value));
	KUNIT_EXPECT_NOT_NULL(test, m->violation);
	m->violation = NULL;
	KUNIT_EXPECT_EQ(test, 0, update_rmp(m, SRC_PA, &shared));
	KUNIT_EXPECT_EQ(test, -EFAULT, snp_model_read(m, 0, PAGE, &value));
	KUNIT_EXPECT_NOT_NULL(test, m->violation);
	m->violation = NULL;
	snp_model_kick(m);
	KUNIT_EXPECT_EQ(test, VALUE, guest_read(m));
	expect_no_violation(test, m);
}

static void stale_page_table_is_noticed(struct kunit *test)
{
	struct snp_model *m = model_create(test);
	u64 value;

	guest_fill(test, m);
	snp_model_kick(m);
	move_immutable(test, m, SRC_PA, DST_PA);
	KUNIT_EXPECT_EQ(test, 0, snp_model_enter(m, 0));
	KUNIT_EXPECT_EQ(test, -EACCES, snp_model_read(m, 0, PAGE, &value));
	KUNIT_EXPECT_NOT_NULL(test, m->violation);
}

/* Making it immutable again is no new beginning. */
static void moved_page_is_used_anew(struct kunit *test)
{
	struct snp_model *m = model_create(test);
	u64 value;

	guest_fill(test, m);
	snp_model_kick(m);
	move_immutable(test, m, SRC_PA, DST_PA);
	KUNIT_EXPECT_EQ(test, 0, update_rmp(m, SRC_PA, &private));
	KUNIT_EXPECT_TRUE(test, snp_model_page(m, SRC_PA)->moved);
	KUNIT_EXPECT_EQ(test, 0, update_rmp(m, SRC_PA, &shared));
	KUNIT_EXPECT_TRUE(test, snp_model_page(m, SRC_PA)->moved);
	KUNIT_EXPECT_EQ(test, 0, update_rmp(m, SRC_PA, &private));
	KUNIT_EXPECT_EQ(test, 0, snp_model_enter(m, 0));
	KUNIT_EXPECT_EQ(test, -EACCES, snp_model_read(m, 0, PAGE, &value));
	KUNIT_EXPECT_EQ(test, 0, snp_model_pvalidate(m, 0, PAGE));
	KUNIT_EXPECT_EQ(test, 0, snp_model_write(m, 0, PAGE, VALUE));
	expect_no_violation(test, m);
}

static void dead_firmware_does_nothing(struct kunit *test)
{
	struct sev_data_snp_page_reclaim cmd = { .paddr = SRC_PA };
	struct snp_model *m = model_create(test);
	int status = SEV_RET_NO_FW_CALL;

	set_state(m, SRC_PA, SNP_MODEL_PRE_SWAP);
	m->dead = true;
	KUNIT_EXPECT_EQ(test, -EBUSY,
			snp_model_command(m, SEV_CMD_SNP_PAGE_RECLAIM, &cmd,
					  &status));
	KUNIT_EXPECT_EQ(test, 0, status);
	KUNIT_EXPECT_EQ(test, -EBUSY, page_move(m, SRC_PA, DST_PA));
	KUNIT_EXPECT_EQ(test, -EBUSY, page_md_init(m, SRC_PA));
	expect_state(test, m, SRC_PA, SNP_MODEL_PRE_SWAP);
	/* The RMP is the processor's. */
	KUNIT_EXPECT_EQ(test, 0, update_rmp(m, DST_PA, &private));
}

static void other_commands_are_unknown(struct kunit *test)
{
	struct snp_model *m = model_create(test);

	KUNIT_EXPECT_EQ(test, SEV_RET_INVALID_COMMAND,
			command(m, SEV_CMD_SNP_PAGE_SWAP_OUT, NULL));
	KUNIT_EXPECT_EQ(test, -EIO,
			snp_model_command(m, SEV_CMD_MAX, NULL, NULL));
}

/* What is injected comes last, once, and instead of the effect. */
static void injected_status_is_returned(struct kunit *test)
{
	struct snp_model *m = model_create(test);

	m->fail[SEV_CMD_SNP_PAGE_MOVE] = SEV_RET_HWSEV_RET_PLATFORM;
	set_state(m, SRC_PA, SNP_MODEL_PRE_SWAP);
	KUNIT_EXPECT_EQ(test, SEV_RET_INVALID_PAGE_STATE,
			page_move(m, SRC_PA, DST_PA));
	set_state(m, DST_PA, SNP_MODEL_PRE_GUEST);
	KUNIT_EXPECT_EQ(test, SEV_RET_HWSEV_RET_PLATFORM,
			page_move(m, SRC_PA, DST_PA));
	expect_state(test, m, SRC_PA, SNP_MODEL_PRE_SWAP);
	expect_state(test, m, DST_PA, SNP_MODEL_PRE_GUEST);
	KUNIT_EXPECT_EQ(test, SEV_RET_SUCCESS, page_move(m, SRC_PA, DST_PA));

	set_state(m, SRC_PA, SNP_MODEL_FIRMWARE);
	m->fail[SEV_CMD_SNP_PAGE_MD_INIT] = SEV_RET_HWSEV_RET_PLATFORM;
	m->fail[SEV_CMD_SNP_PAGE_RECLAIM] = SEV_RET_HWSEV_RET_PLATFORM;
	KUNIT_EXPECT_EQ(test, SEV_RET_HWSEV_RET_PLATFORM,
			page_md_init(m, SRC_PA));
	KUNIT_EXPECT_EQ(test, SEV_RET_HWSEV_RET_PLATFORM,
			page_reclaim(m, SRC_PA));
	expect_state(test, m, SRC_PA, SNP_MODEL_FIRMWARE);
	KUNIT_EXPECT_EQ(test, SEV_RET_SUCCESS, page_reclaim(m, SRC_PA));
}

static void injected_rmpupdate_fails(struct kunit *test)
{
	struct snp_model *m = model_create(test);

	m->rmpupdate_fails_in = 2;
	m->rmpupdate_fails_with = SNP_MODEL_FAIL_INUSE;
	KUNIT_EXPECT_EQ(test, 0, update_rmp(m, SRC_PA, &private));
	KUNIT_EXPECT_EQ(test, SNP_MODEL_FAIL_PERMISSION,
			update_rmp(m, GCTX_PA, &shared));
	KUNIT_EXPECT_EQ(test, SNP_MODEL_FAIL_INUSE,
			update_rmp(m, SRC_PA, &shared));
	expect_state(test, m, SRC_PA, SNP_MODEL_GUEST_INVALID);
	KUNIT_EXPECT_EQ(test, 0, update_rmp(m, SRC_PA, &shared));
	KUNIT_EXPECT_EQ(test, 4, m->rmpupdates);
}

static struct kunit_case snp_model_cases[] = {
	KUNIT_CASE(entries_have_states),
	KUNIT_CASE(rmpread_tells_the_entry),
	KUNIT_CASE(move_checks_in_order),
	KUNIT_CASE(move_admits_states),
	KUNIT_CASE(commands_admit_guest_states),
	KUNIT_CASE(context_of_another_guest_is_refused),
	KUNIT_CASE(policy_may_disable_moves),
	KUNIT_CASE(move_takes_the_entry_along),
	KUNIT_CASE(guest_page_moves),
	KUNIT_CASE(guest_page_moves_back),
	KUNIT_CASE(page_that_is_not_validated_moves),
	KUNIT_CASE(move_is_told_of),
	KUNIT_CASE(contents_are_bound_to_key_and_address),
	KUNIT_CASE(copied_ciphertext_is_garbage),
	KUNIT_CASE(garbage_stays_garbage),
	KUNIT_CASE(former_key_is_noticed),
	KUNIT_CASE(lines_stay_cached_until_they_are_flushed),
	KUNIT_CASE(large_page_moves),
	KUNIT_CASE(metadata_moves),
	KUNIT_CASE(metadata_of_another_guest_stays),
	KUNIT_CASE(metadata_is_made_and_reclaimed),
	KUNIT_CASE(md_init_admits_states),
	KUNIT_CASE(md_init_checks_in_order),
	KUNIT_CASE(reclaim_admits_states),
	KUNIT_CASE(reclaim_checks_in_order),
	KUNIT_CASE(large_page_is_reclaimed),
	KUNIT_CASE(rmpupdate_changes_states),
	KUNIT_CASE(rmpupdate_keeps_what_the_guest_set),
	KUNIT_CASE(rmpupdate_refuses_input),
	KUNIT_CASE(sizes_must_not_overlap),
	KUNIT_CASE(vmsa_in_use_is_not_updated),
	KUNIT_CASE(vmrun_finds_a_vmsa_where_it_moved),
	KUNIT_CASE(vmrun_wants_a_vmsa),
	KUNIT_CASE(vmrun_with_garbage_is_noticed),
	KUNIT_CASE(guest_reaches_what_is_its_own),
	KUNIT_CASE(page_that_is_not_mapped_faults),
	KUNIT_CASE(translation_lasts_until_a_flush),
	KUNIT_CASE(stale_translation_is_noticed),
	KUNIT_CASE(stale_page_table_is_noticed),
	KUNIT_CASE(moved_page_is_used_anew),
	KUNIT_CASE(dead_firmware_does_nothing),
	KUNIT_CASE(other_commands_are_unknown),
	KUNIT_CASE(injected_status_is_returned),
	KUNIT_CASE(injected_rmpupdate_fails),
	{}
};

static struct kunit_suite snp_model_suite = {
	.name = "snp_model",
	.test_cases = snp_model_cases,
};

kunit_test_suite(snp_model_suite);
