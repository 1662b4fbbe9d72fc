// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of moving a TD's memory: mm/migrate.c, memfile, guest_memfd, the
 * TDP MMU's mirror and the TDX code are the real ones, down to the SEAMCALL,
 * which is redirected to a model of the module.
 *
 *	echo 1 > /sys/kernel/debug/kunit/tdx_move/run
 *
 * What fails when a step is left out, as tried.  A splat ends the run.
 *
 * block (in the batch)	one_page_moves, batch_takes_one_track, and others
 * block (at all)	nothing moves, and a splat in the end
 * track (in the batch)	one_page_moves, batch_takes_one_track, and others
 * track (relocating)	td_is_finalized_before_its_page_is_relocated,
 *			freeze_that_fails_after_the_firmware
 * kick			splat: no other epoch can begin
 * unblock		given_up_before_it_is_relocated, status_is_coped_with
 * flush (WBINVD)	one_page_moves, adversary_loses, and others
 * flush (clflush)	one_page_moves, adversary_loses, and others
 * reset		one_page_moves, adversary_loses, and others
 * sequence bump	one_page_moves
 * mirror SPTE		splat: the exit zaps another page than it has
 * "already blocked"	splat in blocked_page_is_zapped
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/random.h>

#include "../../virt/vmx/tdx/seamcall_internal.h"
#include "../../virt/vmx/tdx/tdx.h"
#include "mmu/gmem_test_vm.h"
#include "mmu/spte.h"
#include "tdx.h"
#include "tdx_model.h"

#define NR		TDX_MODEL_PAGES
#define HKID		5
#define VALUE		0x5ec3e7ULL

struct td_test {
	struct gmem_test_vm vm;
	struct tdx_model m;
	struct kvm_tdx *td;
	unsigned int kicks;
};

static struct td_test *current_td(void)
{
	return kunit_get_current_test()->priv;
}

static u64 seamcall_to_model(sc_func_t func, u64 fn,
			     struct tdx_module_args *args)
{
	return tdx_model_seamcall(&current_td()->m, fn, args);
}

static void clflush_to_model(kvm_pfn_t pfn)
{
	tdx_model_clflush(&current_td()->m, PFN_PHYS(pfn));
}

static void reset_to_model(unsigned long base, unsigned long size)
{
	unsigned long pa;

	for (pa = base; pa < base + size; pa += PAGE_SIZE)
		tdx_model_reset(&current_td()->m, pa);
}

static void kick_model(struct kvm *kvm)
{
	current_td()->kicks++;
	tdx_model_kick(&current_td()->m);
}

static void host_write(struct td_test *t, struct folio *folio, u64 value)
{
	tdx_model_host_write(&t->m, PFN_PHYS(folio_pfn(folio)), value);
}

/* As a fault would do it, which clears it first. */
static void td_map(struct td_test *t, int page)
{
	u64 pfn = folio_pfn(gmem_test_folio(&t->vm, page)), a, b;

	host_write(t, gmem_test_folio(&t->vm, page), 0);
	KUNIT_ASSERT_EQ(t->vm.test, 0,
			tdh_mem_page_aug(&t->td->td, page * PAGE_SIZE,
					 PG_LEVEL_4K, pfn, &a, &b));
	*gmem_test_spte(&t->vm, page) = PFN_PHYS(pfn) | SPTE_MMU_PRESENT_MASK;
}

/* As KVM_TDX_INIT_MEM_REGION does it. */
static void td_add(struct td_test *t, int page)
{
	struct folio *image = folio_alloc(GFP_KERNEL | __GFP_NOFAIL, 0);
	u64 pfn = folio_pfn(gmem_test_folio(&t->vm, page)), a, b, err;

	host_write(t, gmem_test_folio(&t->vm, page), 0);
	host_write(t, image, VALUE + page);
	err = tdh_mem_page_add(&t->td->td, page * PAGE_SIZE, pfn,
			       folio_page(image, 0), &a, &b);
	folio_put(image);
	KUNIT_ASSERT_EQ(t->vm.test, 0, err);
	*gmem_test_spte(&t->vm, page) = PFN_PHYS(pfn) | SPTE_MMU_PRESENT_MASK;
}

static void td_measure(struct td_test *t, int page)
{
	u64 gpa = page * PAGE_SIZE, i, a, b;

	for (i = 0; i < PAGE_SIZE; i += TDX_EXTENDMR_CHUNKSIZE)
		KUNIT_ASSERT_EQ(t->vm.test, 0,
				tdh_mr_extend(&t->td->td, gpa + i, &a, &b));
}

/* The first @nr pages are the TD's, which has written something to them. */
static void td_fill(struct td_test *t, int nr)
{
	int i;

	gmem_test_allocate(&t->vm, 0, nr);
	for (i = 0; i < nr; i++)
		td_map(t, i);
	KUNIT_ASSERT_EQ(t->vm.test, 0, tdx_model_enter(&t->m, 0));
	for (i = 0; i < nr; i++) {
		KUNIT_ASSERT_EQ(t->vm.test, 0, tdx_model_accept(&t->m, 0, i));
		KUNIT_ASSERT_EQ(t->vm.test, 0,
				tdx_model_write(&t->m, 0, i, VALUE + i));
	}
	tdx_model_exit(&t->m, 0);
	memset(t->m.calls, 0, sizeof(t->m.calls));
	t->kicks = 0;
}

static void td_expect_value(struct td_test *t, int page, u64 value)
{
	u64 got = 0;
	int r;

	tdx_model_enter(&t->m, 1);
	r = tdx_model_read(&t->m, 1, page, &got);
	tdx_model_exit(&t->m, 1);
	KUNIT_EXPECT_EQ(t->vm.test, 0, r);
	KUNIT_EXPECT_EQ(t->vm.test, value, got);
}

/* All that has to be so, whatever has happened. */
static void td_expect_sane(struct td_test *t, int nr)
{
	int i;

	KUNIT_EXPECT_STREQ(t->vm.test, "", t->m.violation ?: "");
	KUNIT_EXPECT_FALSE(t->vm.test, t->td->kvm.vm_bugged);
	for (i = 0; i < nr; i++) {
		u64 pa = PFN_PHYS(folio_pfn(gmem_test_folio(&t->vm, i)));

		KUNIT_EXPECT_EQ(t->vm.test, t->m.sept[i].hpa, pa);
		KUNIT_EXPECT_EQ(t->vm.test, PFN_PHYS(spte_to_pfn(*gmem_test_spte(&t->vm, i))),
				pa);
		KUNIT_EXPECT_EQ(t->vm.test, t->m.sept[i].state, TDX_MODEL_MAPPED);
		KUNIT_EXPECT_FALSE(t->vm.test, t->m.sept[i].host_priority);
		td_expect_value(t, i, VALUE + i);
	}
}

/* Freed memory is ordinary memory, of which nothing is in any cache. */
static void td_expect_clean(struct td_test *t, u64 pa)
{
	struct tdx_model_page *page = tdx_model_page(&t->m, pa);

	KUNIT_EXPECT_STREQ(t->vm.test, "", t->m.violation ?: "");
	KUNIT_EXPECT_EQ(t->vm.test, page->type, TDX_MODEL_NDA);
	KUNIT_EXPECT_EQ(t->vm.test, 0, page->hkid);
	KUNIT_EXPECT_FALSE(t->vm.test, page->cached);
}

/* So is all that is not the TD's, but for what the host has in caches. */
static void td_expect_others_clean(struct td_test *t)
{
	struct tdx_model_page *page;
	unsigned long pfn;

	xa_for_each(&t->m.pages, pfn, page)
		if (page->type == TDX_MODEL_NDA)
			KUNIT_EXPECT_EQ(t->vm.test, 0, page->hkid);
}

static struct folio *new_folio(struct folio *src, unsigned long private)
{
	const struct tdx_model_page *flaw = (void *)private;
	struct td_test *t = current_td();
	struct folio *dst = folio_alloc(GFP_HIGHUSER_MOVABLE, 0);
	struct tdx_model_page *page;

	if (!dst)
		return NULL;
	memset(folio_address(dst), 0xa5, PAGE_SIZE);
	host_write(t, dst, 0xa5);
	if (flaw) {
		page = tdx_model_page(&t->m, PFN_PHYS(folio_pfn(dst)));
		page->type = flaw->type;
		page->no_tdmr = flaw->no_tdmr;
		page->large = flaw->large;
	}
	return dst;
}

/* It may be a good one later. */
static void td_mend_destinations(struct td_test *t)
{
	struct tdx_model_page *page;
	unsigned long pfn;

	xa_for_each(&t->m.pages, pfn, page) {
		page->no_tdmr = false;
		page->large = false;
		if (page->type == TDX_MODEL_RSVD)
			page->type = TDX_MODEL_NDA;
	}
}

static int td_move(struct td_test *t, int start, int nr,
		   const struct tdx_model_page *flaw)
{
	return gmem_test_move(&t->vm, start, nr, new_folio,
			      (unsigned long)flaw);
}

static int td_init(struct kunit *test)
{
	struct td_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	struct page *tdr = alloc_page(GFP_KERNEL | __GFP_NOFAIL);

	KUNIT_ASSERT_NOT_NULL(test, t);
	test->priv = t;
	t->td = kunit_kzalloc(test, sizeof(*t->td), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->td);
	t->td->hkid = HKID;
	t->td->state = TD_STATE_RUNNABLE;
	t->td->td.tdr_page = tdr;
	tdx_model_init(&t->m, page_to_phys(tdr), HKID);

	kunit_activate_static_stub(test, tdx_seamcall, seamcall_to_model);
	kunit_activate_static_stub(test, tdx_clflush_pfn, clflush_to_model);
	kunit_activate_static_stub(test, tdx_quirk_reset_paddr, reset_to_model);
	kunit_activate_static_stub(test, tdx_kick_vcpus, kick_model);
	static_call_update(kvm_x86_set_external_spte, tdx_sept_set_private_spte);
	static_call_update(kvm_x86_block_external_spte, tdx_sept_block_spte);
	static_call_update(kvm_x86_unblock_external_spte, tdx_sept_unblock_spte);
	static_call_update(kvm_x86_track_external_sptes, tdx_track);
	static_call_update(kvm_x86_relocate_external_spte, tdx_sept_relocate_spte);
	static_call_update(kvm_x86_gmem_release, tdx_release_page);

	gmem_test_init(&t->vm, test, &t->td->kvm, KVM_X86_TDX_VM);
	return 0;
}

static void td_exit(struct kunit *test)
{
	struct td_test *t = test->priv;

	/* Punched first, as PAGE.REMOVE takes the TD's key. */
	t->m.wbinvd_fails = false;
	memset(t->m.busy, 0, sizeof(t->m.busy));
	t->m.fatal = false;
	gmem_test_exit(&t->vm);
	__free_page(t->td->td.tdr_page);
	tdx_model_destroy(&t->m);
	/* The other vendor's uses it, too. */
	if (kvm_x86_ops.gmem_release)
		static_call_update(kvm_x86_gmem_release,
				   kvm_x86_ops.gmem_release);
}

/* Moving */

static void batch_moves(struct td_test *t, int nr)
{
	unsigned long seq = t->td->kvm.mmu_invalidate_seq;
	u64 *pa = kunit_kcalloc(t->vm.test, nr, sizeof(*pa), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(t->vm.test, pa);
	td_fill(t, nr);
	for (i = 0; i < nr; i++)
		pa[i] = PFN_PHYS(folio_pfn(gmem_test_folio(&t->vm, i)));

	KUNIT_EXPECT_EQ(t->vm.test, 0, td_move(t, 0, nr, NULL));
	KUNIT_EXPECT_EQ(t->vm.test, nr, t->m.calls[TDH_MEM_RANGE_BLOCK]);
	KUNIT_EXPECT_EQ(t->vm.test, 1, t->m.calls[TDH_MEM_TRACK]);
	KUNIT_EXPECT_EQ(t->vm.test, nr, t->m.calls[TDH_MEM_PAGE_RELOCATE]);
	KUNIT_EXPECT_EQ(t->vm.test, 0, t->m.calls[TDH_MEM_RANGE_UNBLOCK]);
	KUNIT_EXPECT_EQ(t->vm.test, 0, t->m.calls[TDH_MEM_PAGE_REMOVE]);
	KUNIT_EXPECT_LE(t->vm.test, seq + nr, t->td->kvm.mmu_invalidate_seq);
	for (i = 0; i < nr; i++) {
		KUNIT_EXPECT_NE(t->vm.test, pa[i], t->m.sept[i].hpa);
		td_expect_clean(t, pa[i]);
	}
	td_expect_sane(t, nr);
}

static void one_page_moves(struct kunit *test)
{
	batch_moves(test->priv, 1);
}

static void two_pages_move(struct kunit *test)
{
	batch_moves(test->priv, 2);
}

static void batch_takes_one_track(struct kunit *test)
{
	batch_moves(test->priv, 512);
}

static void vcpu_inside_is_kicked_out(struct kunit *test)
{
	struct td_test *t = test->priv;
	u64 value;

	td_fill(t, 1);
	KUNIT_EXPECT_EQ(test, 0, tdx_model_enter(&t->m, 0));
	KUNIT_EXPECT_EQ(test, 0, tdx_model_read(&t->m, 0, 0, &value));
	KUNIT_EXPECT_EQ(test, 0, td_move(t, 0, 1, NULL));
	KUNIT_EXPECT_FALSE(test, t->m.vcpu[0].inside);
	KUNIT_EXPECT_EQ(test, 0, tdx_model_enter(&t->m, 0));
	KUNIT_EXPECT_EQ(test, 0, tdx_model_read(&t->m, 0, 0, &value));
	KUNIT_EXPECT_EQ(test, VALUE, value);
	tdx_model_exit(&t->m, 0);
	td_expect_sane(t, 1);
}

/* Not copied, and zeroes when it is accepted. */
static void pending_page_moves(struct kunit *test)
{
	struct td_test *t = test->priv;
	u64 pa;

	gmem_test_allocate(&t->vm, 0, 1);
	td_map(t, 0);
	pa = t->m.sept[0].hpa;
	KUNIT_EXPECT_EQ(test, 0, td_move(t, 0, 1, NULL));
	KUNIT_EXPECT_NE(test, pa, t->m.sept[0].hpa);
	KUNIT_EXPECT_EQ(test, t->m.sept[0].state, TDX_MODEL_PENDING);
	KUNIT_EXPECT_EQ(test, 0, tdx_model_enter(&t->m, 0));
	KUNIT_EXPECT_EQ(test, 0, tdx_model_accept(&t->m, 0, 0));
	tdx_model_exit(&t->m, 0);
	td_expect_value(t, 0, 0);
	td_expect_clean(t, pa);
}

/* The TD does not have it, so there is nothing that only firmware can move. */
static void page_that_is_not_mapped_moves(struct kunit *test)
{
	struct td_test *t = test->priv;
	u64 pfn;

	gmem_test_allocate(&t->vm, 0, 1);
	pfn = folio_pfn(gmem_test_folio(&t->vm, 0));
	KUNIT_EXPECT_EQ(test, 0, td_move(t, 0, 1, NULL));
	KUNIT_EXPECT_NE(test, pfn, folio_pfn(gmem_test_folio(&t->vm, 0)));
	KUNIT_EXPECT_EQ(test, 0, t->m.calls[TDH_MEM_PAGE_RELOCATE]);
	KUNIT_EXPECT_PTR_EQ(test, NULL,
			    memchr_inv(folio_address(gmem_test_folio(&t->vm, 0)), 0,
				       PAGE_SIZE));
}

/* Staying */

static void td_expect_stays(struct td_test *t,
			    const struct tdx_model_page *dst)
{
	u64 pa = t->m.sept[0].hpa;

	KUNIT_EXPECT_LT(t->vm.test, 0, td_move(t, 0, 1, dst));
	KUNIT_EXPECT_EQ(t->vm.test, pa, t->m.sept[0].hpa);
}

/* What kept it is gone. */
static void td_expect_moves(struct td_test *t)
{
	u64 pa = t->m.sept[0].hpa;

	td_expect_sane(t, 1);
	KUNIT_EXPECT_EQ(t->vm.test, 0, td_move(t, 0, 1, NULL));
	KUNIT_EXPECT_NE(t->vm.test, pa, t->m.sept[0].hpa);
	td_expect_sane(t, 1);
}

static void fault_in_flight_keeps_it(struct kunit *test)
{
	struct td_test *t = test->priv;

	td_fill(t, 1);
	folio_get(gmem_test_folio(&t->vm, 0));
	td_expect_stays(t, NULL);
	KUNIT_EXPECT_EQ(test, 0, t->m.calls[TDH_MEM_PAGE_RELOCATE]);
	folio_put(gmem_test_folio(&t->vm, 0));
	td_expect_moves(t);
}

/* Somebody takes a reference between the firmware and the page cache. */
static void hold_source(struct tdx_model *m, u64 gpa)
{
	struct td_test *t = container_of(m, struct td_test, m);

	gmem_test_hold(&t->vm, PHYS_PFN(gpa));
}

static void td_create_unfinished(struct td_test *t)
{
	t->td->state = TD_STATE_INITIALIZED;
	t->m.op_state = TDX_MODEL_INITIALIZED;
	gmem_test_allocate(&t->vm, 0, 1);
	td_add(t, 0);
}

static void td_finalize(struct td_test *t)
{
	KUNIT_ASSERT_EQ(t->vm.test, 0, tdh_mr_finalize(&t->td->td));
	t->td->state = TD_STATE_RUNNABLE;
}

/* No vCPU has run, so there is nothing to block or to track. */
static void page_of_an_unfinished_td_moves(struct kunit *test)
{
	struct td_test *t = test->priv;
	u64 pa;

	td_create_unfinished(t);
	pa = t->m.sept[0].hpa;
	KUNIT_EXPECT_EQ(test, 0, td_move(t, 0, 1, NULL));
	KUNIT_EXPECT_NE(test, pa, t->m.sept[0].hpa);
	td_expect_clean(t, pa);
	KUNIT_EXPECT_EQ(test, 1, t->m.calls[TDH_MEM_PAGE_RELOCATE]);
	KUNIT_EXPECT_EQ(test, 0, t->m.calls[TDH_MEM_RANGE_BLOCK]);
	KUNIT_EXPECT_EQ(test, 0, t->m.calls[TDH_MEM_TRACK]);

	td_measure(t, 0);
	td_finalize(t);
	td_expect_moves(t);
}

/* It goes back like any other. */
static void page_of_an_unfinished_td_goes_back(struct kunit *test)
{
	struct td_test *t = test->priv;

	td_create_unfinished(t);
	t->m.relocated = hold_source;
	td_expect_stays(t, NULL);
	KUNIT_EXPECT_EQ(test, 2, t->m.calls[TDH_MEM_PAGE_RELOCATE]);
	td_expect_others_clean(t);
	t->m.relocated = NULL;
	gmem_test_let_go(&t->vm);

	td_measure(t, 0);
	td_finalize(t);
	td_expect_moves(t);
}

/* It had not to be blocked when that was asked for, but has to by now. */
static void td_is_finalized_before_its_page_is_relocated(struct kunit *test)
{
	struct td_test *t = test->priv;
	struct kvm *kvm = &t->td->kvm;
	struct folio *dst;
	u64 src;

	td_create_unfinished(t);
	src = PHYS_PFN(t->m.sept[0].hpa);
	KUNIT_EXPECT_TRUE(test, kvm_arch_gmem_block(kvm, 0, src));
	kvm_arch_gmem_flush(kvm);
	KUNIT_EXPECT_EQ(test, 0, t->m.calls[TDH_MEM_RANGE_BLOCK]);

	td_finalize(t);
	dst = new_folio(NULL, 0);
	KUNIT_ASSERT_NOT_NULL(test, dst);
	KUNIT_EXPECT_EQ(test, 0,
			kvm_arch_gmem_relocate(kvm, 0, folio_pfn(dst), src));
	KUNIT_EXPECT_EQ(test, 1, t->m.calls[TDH_MEM_RANGE_BLOCK]);
	KUNIT_EXPECT_EQ(test, 1, t->m.calls[TDH_MEM_TRACK]);
	td_expect_value(t, 0, VALUE);

	/* Back to where the file has it. */
	KUNIT_EXPECT_EQ(test, 0,
			kvm_arch_gmem_relocate(kvm, 0, src, folio_pfn(dst)));
	KUNIT_EXPECT_EQ(test, 0, kvm_arch_gmem_release(kvm, folio_pfn(dst)));
	folio_put(dst);
	td_expect_moves(t);
}

static void freeze_that_fails_after_the_firmware(struct kunit *test)
{
	struct td_test *t = test->priv;

	td_fill(t, 1);
	t->m.relocated = hold_source;
	td_expect_stays(t, NULL);
	/* There, and back when it is blocked again, as the module demands. */
	KUNIT_EXPECT_EQ(test, 3, t->m.calls[TDH_MEM_PAGE_RELOCATE]);
	/* Where it was for a while as well. */
	td_expect_others_clean(t);

	t->m.relocated = NULL;
	KUNIT_ASSERT_NOT_NULL(test, t->vm.held);
	gmem_test_let_go(&t->vm);
	td_expect_moves(t);
}

/* The way back is closed, too: nobody gets either page, or writes to it. */
static void hold_source_and_die(struct tdx_model *m, u64 gpa)
{
	hold_source(m, gpa);
	m->fatal = true;
}

static void page_that_cannot_go_back_is_leaked(struct kunit *test)
{
	struct td_test *t = test->priv;
	struct folio *src, *dst;

	td_fill(t, 1);
	src = gmem_test_folio(&t->vm, 0);
	t->m.relocated = hold_source_and_die;
	KUNIT_EXPECT_EQ(test, 1, td_move(t, 0, 1, NULL));
	KUNIT_EXPECT_EQ(test, 2, t->m.calls[TDH_MEM_PAGE_RELOCATE]);
	KUNIT_EXPECT_PTR_EQ(test, src, gmem_test_folio(&t->vm, 0));
	dst = pfn_folio(PHYS_PFN(t->m.sept[0].hpa));
	KUNIT_EXPECT_PTR_NE(test, src, dst);
	KUNIT_EXPECT_EQ(test, 1, folio_ref_count(dst));
	t->m.relocated = NULL;
	t->m.fatal = false;
	gmem_test_let_go(&t->vm);
	t->vm.held = dst;

	/* Nor does another move take it for a page that is not mapped. */
	KUNIT_EXPECT_EQ(test, 1, td_move(t, 0, 1, NULL));
	KUNIT_EXPECT_EQ(test, 2, t->m.calls[TDH_MEM_PAGE_RELOCATE]);
	td_expect_value(t, 0, VALUE);
}

/* Between blocking it and relocating it: nobody relocates it then. */
static void hold_first_page(struct kvm *kvm)
{
	struct td_test *t = current_td();

	kick_model(kvm);
	gmem_test_hold(&t->vm, 0);
}

static void given_up_before_it_is_relocated(struct kunit *test)
{
	struct td_test *t = test->priv;

	td_fill(t, 2);
	kunit_activate_static_stub(test, tdx_kick_vcpus, hold_first_page);
	KUNIT_EXPECT_EQ(test, 1, td_move(t, 0, 2, NULL));
	KUNIT_EXPECT_EQ(test, 1, t->m.calls[TDH_MEM_PAGE_RELOCATE]);
	KUNIT_EXPECT_EQ(test, 1, t->m.calls[TDH_MEM_RANGE_UNBLOCK]);
	td_expect_sane(t, 2);
	KUNIT_ASSERT_NOT_NULL(test, t->vm.held);
	gmem_test_let_go(&t->vm);
	kunit_activate_static_stub(test, tdx_kick_vcpus, kick_model);
	td_expect_moves(t);
}

/*
 * Every status that a step can have here, from something that is so when that
 * leaf is called first, and what becomes of it.
 */
struct status_param {
	const char *name;
	u64 leaf;
	u64 status;
	void (*set)(struct tdx_model *m);
	enum tdx_model_lock busy;
	unsigned int times;		/* @busy is */
	struct tdx_model_page dst;
	bool moves;			/* as KVM gets over it */
};

/* A vCPU that is in the module, and has to be kicked out of it. */
static void set_vcpu_holds_entry(struct tdx_model *m)
{
	tdx_model_enter(m, 0);
	m->vcpu[0].holds = BIT(TDX_MODEL_LOCK_ENTRY);
}

static void set_vcpu_holds_tree(struct tdx_model *m)
{
	tdx_model_enter(m, 0);
	m->vcpu[0].holds = BIT(TDX_MODEL_LOCK_TREE);
}

static void set_not_blocked(struct tdx_model *m)
{
	m->sept[0].state = TDX_MODEL_MAPPED;
}

static void set_not_tracked(struct tdx_model *m)
{
	tdx_model_page(m, m->sept[0].hpa)->bepoch = m->epoch;
}

static void set_fatal(struct tdx_model *m)
{
	m->fatal = true;
}

#define LOCK_BUSY(_name, _leaf, _lock, _id)				\
	{ .name = _name " busy", .leaf = _leaf,				\
	  .status = TDX_OPERAND_BUSY | (_id), .busy = _lock, .times = 1,	\
	  .moves = true }

static const struct status_param statuses[] = {
	LOCK_BUSY("TDR", TDH_MEM_PAGE_RELOCATE, TDX_MODEL_LOCK_TDR,
		  TDX_OPERAND_ID_RDX),
	LOCK_BUSY("op state", TDH_MEM_PAGE_RELOCATE, TDX_MODEL_LOCK_OP_STATE,
		  TDX_OPERAND_ID_OP_STATE),
	LOCK_BUSY("SEPT tree", TDH_MEM_PAGE_RELOCATE, TDX_MODEL_LOCK_TREE,
		  TDX_OPERAND_ID_SEPT),
	LOCK_BUSY("SEPT entry", TDH_MEM_PAGE_RELOCATE, TDX_MODEL_LOCK_ENTRY,
		  TDX_OPERAND_ID_RCX),
	LOCK_BUSY("source", TDH_MEM_PAGE_RELOCATE, TDX_MODEL_LOCK_SOURCE,
		  TDX_OPERAND_ID_RCX),
	LOCK_BUSY("target", TDH_MEM_PAGE_RELOCATE, TDX_MODEL_LOCK_TARGET,
		  TDX_OPERAND_ID_R8),
	LOCK_BUSY("TDR for BLOCK", TDH_MEM_RANGE_BLOCK, TDX_MODEL_LOCK_TDR,
		  TDX_OPERAND_ID_RDX),
	LOCK_BUSY("epoch for TRACK", TDH_MEM_TRACK, TDX_MODEL_LOCK_EPOCH,
		  TDX_OPERAND_ID_TD_EPOCH),
	{ "vCPU holds SEPT entry", TDH_MEM_PAGE_RELOCATE,
	  TDX_OPERAND_BUSY | TDX_OPERAND_ID_RCX, set_vcpu_holds_entry,
	  .moves = true },
	{ "vCPU holds SEPT tree for BLOCK", TDH_MEM_RANGE_BLOCK,
	  TDX_OPERAND_BUSY | TDX_OPERAND_ID_SEPT, set_vcpu_holds_tree,
	  .moves = true },
	{ "not blocked", TDH_MEM_PAGE_RELOCATE,
	  TDX_GPA_RANGE_NOT_BLOCKED | TDX_OPERAND_ID_RCX, set_not_blocked,
	  .moves = true },
	{ "not tracked", TDH_MEM_PAGE_RELOCATE,
	  TDX_TLB_TRACKING_NOT_DONE | TDX_OPERAND_ID_RCX, set_not_tracked,
	  .moves = true },
	{ "source busy for long", TDH_MEM_PAGE_RELOCATE,
	  TDX_OPERAND_BUSY | TDX_OPERAND_ID_RCX,
	  .busy = TDX_MODEL_LOCK_SOURCE, .times = 1000 },
	{ "target busy for long", TDH_MEM_PAGE_RELOCATE,
	  TDX_OPERAND_BUSY | TDX_OPERAND_ID_R8,
	  .busy = TDX_MODEL_LOCK_TARGET, .times = 1000 },
	{ "target in no TDMR", TDH_MEM_PAGE_RELOCATE,
	  TDX_OPERAND_ADDR_RANGE_ERROR | TDX_OPERAND_ID_R8,
	  .dst = { .no_tdmr = true } },
	{ "target not free", TDH_MEM_PAGE_RELOCATE,
	  TDX_PAGE_METADATA_INCORRECT | TDX_OPERAND_ID_R8,
	  .dst = { .type = TDX_MODEL_RSVD } },
	{ "target in a large page", TDH_MEM_PAGE_RELOCATE,
	  TDX_PAGE_METADATA_INCORRECT | TDX_OPERAND_ID_R8,
	  .dst = { .large = true } },
	{ "TD fatal", TDH_MEM_PAGE_RELOCATE, TDX_TD_FATAL, set_fatal },
	{ "TD fatal for TRACK", TDH_MEM_TRACK, TDX_TD_FATAL, set_fatal },
	{ "TD fatal for BLOCK", TDH_MEM_RANGE_BLOCK, TDX_TD_FATAL, set_fatal },
};

KUNIT_ARRAY_PARAM_DESC(status, statuses, name);

static const struct status_param *status_now;
static bool status_set, status_seen;

static u64 seamcall_and_look(sc_func_t func, u64 fn,
			     struct tdx_module_args *args)
{
	const struct status_param *p = status_now;
	struct tdx_model *m = &current_td()->m;
	u64 err;

	if (fn == p->leaf && !status_set) {
		status_set = true;
		m->busy[p->busy] = p->times;
		if (p->set)
			p->set(m);
	}
	err = tdx_model_seamcall(m, fn, args);
	status_seen |= fn == p->leaf && err == p->status;
	return err;
}

static void status_is_coped_with(struct kunit *test)
{
	const struct status_param *p = test->param_value;
	struct td_test *t = test->priv;

	status_now = p;
	status_set = false;
	status_seen = false;
	td_fill(t, 1);
	kunit_activate_static_stub(test, tdx_seamcall, seamcall_and_look);
	if (p->moves) {
		KUNIT_EXPECT_EQ(test, 0, td_move(t, 0, 1, NULL));
		/* At once: one kick is TRACK's. */
		KUNIT_EXPECT_EQ(test, 2, t->m.calls[p->leaf]);
		KUNIT_EXPECT_EQ(test, 2, t->kicks);
	} else {
		td_expect_stays(t, &p->dst);
	}
	KUNIT_EXPECT_TRUE(test, status_seen);
	tdx_model_kick(&t->m);
	memset(t->m.busy, 0, sizeof(t->m.busy));
	td_mend_destinations(t);
	/* Such a TD is not run again, blocked or not. */
	if (!t->m.fatal)
		td_expect_moves(t);
	t->m.fatal = false;
}

static void module_that_cannot_relocate_is_asked_once(struct kunit *test)
{
	struct td_test *t = test->priv;

	td_fill(t, 2);
	t->m.no_relocate = true;
	KUNIT_EXPECT_EQ(test, 2, td_move(t, 0, 2, NULL));
	KUNIT_EXPECT_EQ(test, 1, t->m.calls[TDH_MEM_PAGE_RELOCATE]);
	td_expect_sane(t, 2);

	memset(t->m.calls, 0, sizeof(t->m.calls));
	KUNIT_EXPECT_EQ(test, 2, td_move(t, 0, 2, NULL));
	KUNIT_EXPECT_EQ(test, 0, t->m.calls[TDH_MEM_RANGE_BLOCK]);
	KUNIT_EXPECT_EQ(test, 0, t->m.calls[TDH_MEM_PAGE_RELOCATE]);
	KUNIT_EXPECT_TRUE(test, mapping_unmovable(t->vm.file->f_mapping));
	td_expect_sane(t, 2);
}

/* What keeps TDX keys in caches must not be used by anybody else. */
static void page_that_cannot_be_flushed_is_not_freed(struct kunit *test)
{
	struct td_test *t = test->priv;
	struct folio *src;

	td_fill(t, 1);
	src = gmem_test_folio(&t->vm, 0);
	t->m.wbinvd_fails = true;
	KUNIT_EXPECT_EQ(test, 0, td_move(t, 0, 1, NULL));
	KUNIT_EXPECT_PTR_NE(test, src, gmem_test_folio(&t->vm, 0));
	KUNIT_EXPECT_EQ(test, 1, folio_ref_count(src));
	KUNIT_EXPECT_TRUE(test, tdx_model_page(&t->m,
					       PFN_PHYS(folio_pfn(src)))->cached);
	td_expect_sane(t, 1);
	folio_put(src);
}

/* Large leaves do not exist yet: refused. */
static void large_leaf_stays(struct kunit *test)
{
	struct td_test *t = test->priv;
	u64 spte;

	td_fill(t, 1);
	spte = t->vm.sp[1].spt[0];
	t->vm.sp[1].spt[0] = PFN_PHYS(folio_pfn(gmem_test_folio(&t->vm, 0))) |
			  SPTE_MMU_PRESENT_MASK | PT_PAGE_SIZE_MASK;
	td_expect_stays(t, NULL);
	KUNIT_EXPECT_EQ(test, 0, t->m.calls[TDH_MEM_PAGE_RELOCATE]);
	t->vm.sp[1].spt[0] = spte;
	td_expect_moves(t);
}

/* Somebody punches a hole while a page is blocked: its contents are to go. */
static void blocked_page_is_zapped(struct kunit *test)
{
	struct td_test *t = test->priv;
	u64 pa;

	td_fill(t, 1);
	pa = t->m.sept[0].hpa;
	kvm_arch_gmem_block(&t->td->kvm, 0, PHYS_PFN(pa));
	KUNIT_EXPECT_EQ(test, t->m.sept[0].state, TDX_MODEL_BLOCKED);
	gmem_test_punch(&t->vm, 0, 1);
	KUNIT_EXPECT_FALSE(test, t->td->kvm.vm_bugged);
	KUNIT_EXPECT_EQ(test, t->m.sept[0].state, TDX_MODEL_FREE);
	td_expect_clean(t, pa);
}

static void memory_moves_only_with_the_flag(struct kunit *test)
{
	struct td_test *t = test->priv;

	gmem_test_expect_opt_in(&t->vm);
}

/* Shared EPT would go on mapping what was moved away. */
static void memory_that_can_be_shared_does_not_move(struct kunit *test)
{
	struct td_test *t = test->priv;

	gmem_test_expect_refused(&t->vm, GUEST_MEMFD_FLAG_MOVABLE |
					 GUEST_MEMFD_FLAG_MMAP);
}

/*
 * The adversary: at random, guests access and accept memory, the host moves and
 * frees it, locks are taken, and references are held.  The guest must always
 * read what it wrote last, and KVM must not make a mistake that the module, or
 * the processor, would not forgive.
 */
static unsigned int tdx_test_steps = 3000;
module_param(tdx_test_steps, uint, 0644);
MODULE_PARM_DESC(tdx_test_steps, "steps of tdx_move's adversary");
static unsigned int tdx_test_seed;
module_param(tdx_test_seed, uint, 0644);
MODULE_PARM_DESC(tdx_test_seed, "its seed, 0 for another each time");

#define PLAYGROUND	32

struct adversary {
	struct td_test *t;
	struct rnd_state rnd;
	u64 value[PLAYGROUND];
	bool accepted[PLAYGROUND];
	unsigned int moved, stayed, faults;
};

static u32 below(struct adversary *a, u32 end)
{
	return prandom_u32_state(&a->rnd) % end;
}

/* As after an EPT violation: what was punched is allocated and mapped anew. */
static void adversary_fault(struct adversary *a, int page)
{
	struct td_test *t = a->t;

	a->faults++;
	if (t->m.sept[page].hpa)
		return;
	gmem_test_allocate(&t->vm, page, 1);
	/* KVM would retry while a vCPU is in the module. */
	tdx_model_kick(&t->m);
	td_map(t, page);
}

static void adversary_access(struct adversary *a, int vcpu, int page)
{
	struct td_test *t = a->t;
	u64 value = 0;
	int r;

	tdx_model_enter(&t->m, vcpu);
	r = tdx_model_read(&t->m, vcpu, page, &value);
	if (r && r != -ENXIO) {
		tdx_model_exit(&t->m, vcpu);
		adversary_fault(a, page);
		return;
	}
	if (!r) {
		KUNIT_EXPECT_TRUE(t->vm.test, a->accepted[page]);
		KUNIT_EXPECT_EQ(t->vm.test, a->value[page], value);
	} else if (!tdx_model_accept(&t->m, vcpu, page)) {
		a->accepted[page] = true;
		a->value[page] = 0;
	}
	value = prandom_u32_state(&a->rnd);
	if (!tdx_model_write(&t->m, vcpu, page, value))
		a->value[page] = value;
}

static void adversary_move(struct adversary *a, int page)
{
	int nr = 1 + below(a, min(8, PLAYGROUND - page));
	static const struct tdx_model_page bad = { .no_tdmr = true };
	struct td_test *t = a->t;
	int i, stayed;

	for (i = page; i < page + nr; i++)
		if (!gmem_test_folio(&t->vm, i))
			return;
	stayed = td_move(t, page, nr, below(a, 16) ? NULL : &bad);
	td_mend_destinations(t);
	a->stayed += stayed;
	a->moved += nr - stayed;
}

static void adversary_punch(struct adversary *a, int page)
{
	struct td_test *t = a->t;

	if (t->vm.held && t->vm.held == gmem_test_folio(&t->vm, page))
		return;
	gmem_test_punch(&t->vm, page, 1);
	a->accepted[page] = false;
}

static void adversary_hold(struct adversary *a, int page)
{
	struct gmem_test_vm *vm = &a->t->vm;

	if (vm->held)
		gmem_test_let_go(vm);
	else
		gmem_test_hold(vm, page);
}

static void adversary_step(struct adversary *a)
{
	struct td_test *t = a->t;
	int page = below(a, PLAYGROUND);
	int vcpu = below(a, TDX_MODEL_VCPUS);

	switch (below(a, 16)) {
	case 0 ... 6:
		adversary_access(a, vcpu, page);
		break;
	case 7 ... 10:
		adversary_move(a, page);
		break;
	case 11:
		adversary_punch(a, page);
		break;
	case 12:
		adversary_hold(a, page);
		break;
	case 13:
		tdx_model_exit(&t->m, vcpu);
		break;
	case 14:
		if (!tdx_model_enter(&t->m, vcpu))
			t->m.vcpu[vcpu].holds = BIT(TDX_MODEL_LOCK_TREE);
		break;
	case 15:
		/* Not longer than one retry takes: else zapping is a bug. */
		t->m.busy[below(a, TDX_MODEL_NR_LOCKS)] = 1;
		adversary_move(a, page);
		memset(t->m.busy, 0, sizeof(t->m.busy));
		break;
	}
}

static void adversary_loses(struct kunit *test)
{
	struct adversary *a = kunit_kzalloc(test, sizeof(*a), GFP_KERNEL);
	u32 seed = tdx_test_seed ?: get_random_u32();
	struct td_test *t = test->priv;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, a);
	a->t = t;
	prandom_seed_state(&a->rnd, seed);
	for (i = 0; i < tdx_test_steps && !t->m.violation; i++)
		adversary_step(a);
	kunit_info(test, "seed %u, %d steps: %u moved, %u stayed, %u faults, %u tracks",
		   seed, i, a->moved, a->stayed, a->faults,
		   t->m.calls[TDH_MEM_TRACK]);
	KUNIT_EXPECT_STREQ(test, "", t->m.violation ?: "");
	KUNIT_EXPECT_FALSE(test, t->td->kvm.vm_bugged);
	if (tdx_test_steps >= 1000) {
		KUNIT_EXPECT_LT(test, 0, a->moved);
		KUNIT_EXPECT_LT(test, 0, a->stayed);
	}
	td_expect_others_clean(t);
}

static struct kunit_case tdx_move_cases[] = {
	KUNIT_CASE(one_page_moves),
	KUNIT_CASE(two_pages_move),
	KUNIT_CASE(batch_takes_one_track),
	KUNIT_CASE(vcpu_inside_is_kicked_out),
	KUNIT_CASE(pending_page_moves),
	KUNIT_CASE(page_that_is_not_mapped_moves),
	KUNIT_CASE(fault_in_flight_keeps_it),
	KUNIT_CASE(page_of_an_unfinished_td_moves),
	KUNIT_CASE(page_of_an_unfinished_td_goes_back),
	KUNIT_CASE(td_is_finalized_before_its_page_is_relocated),
	KUNIT_CASE(freeze_that_fails_after_the_firmware),
	KUNIT_CASE(page_that_cannot_go_back_is_leaked),
	KUNIT_CASE(given_up_before_it_is_relocated),
	KUNIT_CASE_PARAM(status_is_coped_with, status_gen_params),
	KUNIT_CASE(module_that_cannot_relocate_is_asked_once),
	KUNIT_CASE(page_that_cannot_be_flushed_is_not_freed),
	KUNIT_CASE(large_leaf_stays),
	KUNIT_CASE(blocked_page_is_zapped),
	KUNIT_CASE(memory_moves_only_with_the_flag),
	KUNIT_CASE(memory_that_can_be_shared_does_not_move),
	KUNIT_CASE(adversary_loses),
	{}
};

static struct kunit_suite tdx_move_suite = {
	.name = "tdx_move",
	.init = td_init,
	.exit = td_exit,
	.test_cases = tdx_move_cases,
};

/*
 * The model itself: rule by rule what is published, see the top of tdx_model.c.
 * There is no KVM in these.
 */
#define TDR_PA		0x100000ULL
#define SRC_PA		0x200000ULL
#define DST_PA		0x300000ULL
#define IMAGE_PA	0x400000ULL	/* what PAGE.ADD copies */

struct model_call {
	u64 fn;
	struct tdx_module_args args;
};

static struct tdx_model *model_create(struct kunit *test)
{
	struct tdx_model *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, m);
	tdx_model_init(m, TDR_PA, HKID);
	return m;
}

static u64 model_call(struct tdx_model *m, u64 fn, u64 rcx, u64 r8)
{
	struct tdx_module_args args = {
		.rcx = rcx, .rdx = TDR_PA, .r8 = r8, .r9 = IMAGE_PA,
	};

	return tdx_model_seamcall(m, fn, &args);
}

static u64 model_track(struct tdx_model *m)
{
	return model_call(m, TDH_MEM_TRACK, TDR_PA, 0);
}

/* Page 0 is at SRC_PA, and holds VALUE. */
static void model_fill(struct kunit *test, struct tdx_model *m)
{
	KUNIT_ASSERT_EQ(test, 0, model_call(m, TDH_MEM_PAGE_AUG, 0, SRC_PA));
	KUNIT_ASSERT_EQ(test, 0, tdx_model_enter(m, 0));
	KUNIT_ASSERT_EQ(test, 0, tdx_model_accept(m, 0, 0));
	KUNIT_ASSERT_EQ(test, 0, tdx_model_write(m, 0, 0, VALUE));
	tdx_model_exit(m, 0);
}

static u64 model_read(struct tdx_model *m)
{
	u64 value = 0;

	tdx_model_enter(m, 0);
	tdx_model_read(m, 0, 0, &value);
	tdx_model_exit(m, 0);
	return value;
}

static void fault_not_ready(struct tdx_model *m, struct model_call *c)
{
	m->not_ready = true;
}

static void fault_shutdown(struct tdx_model *m, struct model_call *c)
{
	m->shutdown = true;
}

static void fault_version(struct tdx_model *m, struct model_call *c)
{
	c->fn |= 1ULL << TDX_VERSION_SHIFT;
}

static void fault_tdr_unaligned(struct tdx_model *m, struct model_call *c)
{
	c->args.rdx |= 8;
}

static void fault_tdr_no_tdmr(struct tdx_model *m, struct model_call *c)
{
	tdx_model_page(m, TDR_PA)->no_tdmr = true;
}

static void fault_tdr_busy(struct tdx_model *m, struct model_call *c)
{
	m->busy[TDX_MODEL_LOCK_TDR] = 1;
}

static void fault_tdr_is_none(struct tdx_model *m, struct model_call *c)
{
	tdx_model_page(m, TDR_PA)->type = TDX_MODEL_REG;
}

static void fault_fatal(struct tdx_model *m, struct model_call *c)
{
	m->fatal = true;
}

static void fault_no_keys(struct tdx_model *m, struct model_call *c)
{
	m->no_keys = true;
}

static void fault_no_tdcs(struct tdx_model *m, struct model_call *c)
{
	m->no_tdcs = true;
}

static void fault_op_state_busy(struct tdx_model *m, struct model_call *c)
{
	m->busy[TDX_MODEL_LOCK_OP_STATE] = 1;
}

static void fault_op_state(struct tdx_model *m, struct model_call *c)
{
	m->op_state = TDX_MODEL_UNINITIALIZED;
}

static void fault_level(struct tdx_model *m, struct model_call *c)
{
	c->args.rcx |= 1;
}

static void fault_gpa_shared(struct tdx_model *m, struct model_call *c)
{
	c->args.rcx |= BIT_ULL(47);
}

static void fault_tree_busy(struct tdx_model *m, struct model_call *c)
{
	m->busy[TDX_MODEL_LOCK_TREE] = 1;
}

static void fault_walk(struct tdx_model *m, struct model_call *c)
{
	c->args.rcx |= TDX_MODEL_PAGES * PAGE_SIZE;
}

static void fault_entry_busy(struct tdx_model *m, struct model_call *c)
{
	m->busy[TDX_MODEL_LOCK_ENTRY] = 1;
}

static void fault_entry_state(struct tdx_model *m, struct model_call *c)
{
	m->sept[0].state = TDX_MODEL_REMOVED;
}

static void fault_same_page(struct tdx_model *m, struct model_call *c)
{
	c->args.r8 = SRC_PA;
}

static void fault_source_busy(struct tdx_model *m, struct model_call *c)
{
	m->busy[TDX_MODEL_LOCK_SOURCE] = 1;
}

static void fault_not_blocked(struct tdx_model *m, struct model_call *c)
{
	if (m->sept[0].state == TDX_MODEL_BLOCKED)
		m->sept[0].state = TDX_MODEL_MAPPED;
}

static void fault_not_tracked(struct tdx_model *m, struct model_call *c)
{
	tdx_model_page(m, SRC_PA)->bepoch = m->epoch;
}

static void fault_target_unaligned(struct tdx_model *m, struct model_call *c)
{
	c->args.r8 |= c->args.r8 == SRC_PA ? 0 : 8;
}

static void fault_target_no_tdmr(struct tdx_model *m, struct model_call *c)
{
	tdx_model_page(m, DST_PA)->no_tdmr = true;
}

static void fault_target_busy(struct tdx_model *m, struct model_call *c)
{
	m->busy[TDX_MODEL_LOCK_TARGET] = 1;
}

static void fault_target_in_use(struct tdx_model *m, struct model_call *c)
{
	tdx_model_page(m, DST_PA)->type = TDX_MODEL_RSVD;
}

static void fault_target_large(struct tdx_model *m, struct model_call *c)
{
	tdx_model_page(m, DST_PA)->large = true;
}

/* What PAGE.RELOCATE checks, in this order.  Some tell of the entry. */
static const struct {
	u64 status;
	void (*set)(struct tdx_model *m, struct model_call *c);
	bool tells;
} relocate_checks[] = {
	{ TDX_SYS_NOT_READY, fault_not_ready },
	{ TDX_SYS_SHUTDOWN, fault_shutdown },
	{ TDX_OPERAND_INVALID | TDX_OPERAND_ID_RAX, fault_version },
	{ TDX_OPERAND_INVALID | TDX_OPERAND_ID_RDX, fault_tdr_unaligned },
	{ TDX_OPERAND_ADDR_RANGE_ERROR | TDX_OPERAND_ID_RDX, fault_tdr_no_tdmr },
	{ TDX_OPERAND_BUSY | TDX_OPERAND_ID_RDX, fault_tdr_busy },
	{ TDX_PAGE_METADATA_INCORRECT | TDX_OPERAND_ID_RDX, fault_tdr_is_none },
	{ TDX_TD_FATAL, fault_fatal },
	{ TDX_TD_KEYS_NOT_CONFIGURED, fault_no_keys },
	{ TDX_TDCS_NOT_ALLOCATED, fault_no_tdcs },
	{ TDX_OPERAND_BUSY | TDX_OPERAND_ID_OP_STATE, fault_op_state_busy },
	{ TDX_OP_STATE_INCORRECT, fault_op_state },
	{ TDX_OPERAND_INVALID | TDX_OPERAND_ID_RCX, fault_level },
	{ TDX_OPERAND_INVALID | TDX_OPERAND_ID_RCX, fault_gpa_shared },
	{ TDX_OPERAND_BUSY | TDX_OPERAND_ID_SEPT, fault_tree_busy },
	{ TDX_EPT_WALK_FAILED | TDX_OPERAND_ID_RCX, fault_walk, true },
	{ TDX_OPERAND_BUSY | TDX_OPERAND_ID_RCX, fault_entry_busy, true },
	{ TDX_EPT_ENTRY_STATE_INCORRECT | TDX_OPERAND_ID_RCX, fault_entry_state,
	  true },
	{ TDX_OPERAND_INVALID | TDX_OPERAND_ID_R8, fault_same_page },
	{ TDX_OPERAND_BUSY | TDX_OPERAND_ID_RCX, fault_source_busy },
	{ TDX_GPA_RANGE_NOT_BLOCKED | TDX_OPERAND_ID_RCX, fault_not_blocked,
	  true },
	{ TDX_TLB_TRACKING_NOT_DONE | TDX_OPERAND_ID_RCX, fault_not_tracked },
	{ TDX_OPERAND_INVALID | TDX_OPERAND_ID_R8, fault_target_unaligned },
	{ TDX_OPERAND_ADDR_RANGE_ERROR | TDX_OPERAND_ID_R8,
	  fault_target_no_tdmr },
	{ TDX_OPERAND_BUSY | TDX_OPERAND_ID_R8, fault_target_busy },
	{ TDX_PAGE_METADATA_INCORRECT | TDX_OPERAND_ID_R8, fault_target_in_use },
	{ TDX_PAGE_METADATA_INCORRECT | TDX_OPERAND_ID_R8, fault_target_large },
};

/* With the first few put right the next one is told. */
static void relocate_checks_in_order(struct kunit *test)
{
	int first, i;

	for (first = 0; first <= ARRAY_SIZE(relocate_checks); first++) {
		struct model_call c = {
			.fn = TDH_MEM_PAGE_RELOCATE,
			.args = { .rdx = TDR_PA, .r8 = DST_PA },
		};
		struct tdx_model *m = model_create(test);
		struct tdx_model_entry before;
		u64 status;

		model_fill(test, m);
		KUNIT_ASSERT_EQ(test, 0, model_call(m, TDH_MEM_RANGE_BLOCK, 0, 0));
		KUNIT_ASSERT_EQ(test, 0, model_track(m));
		for (i = first; i < ARRAY_SIZE(relocate_checks); i++)
			relocate_checks[i].set(m, &c);
		before = m->sept[0];
		status = tdx_model_seamcall(m, c.fn, &c.args);
		if (first == ARRAY_SIZE(relocate_checks)) {
			KUNIT_EXPECT_EQ(test, 0, status);
			KUNIT_EXPECT_EQ(test, SRC_PA, c.args.rcx);
			KUNIT_EXPECT_EQ(test, VALUE, model_read(m));
		} else {
			KUNIT_EXPECT_EQ_MSG(test, relocate_checks[first].status,
					    status, "check %d", first);
			KUNIT_EXPECT_EQ(test, before.hpa, m->sept[0].hpa);
			KUNIT_EXPECT_EQ(test, before.state, m->sept[0].state);
			/* What runs no leaf leaves the registers alone. */
			if (relocate_checks[first].tells)
				KUNIT_EXPECT_NE(test, 0, c.args.rdx);
			else if (relocate_checks[first].set != fault_not_ready &&
				 relocate_checks[first].set != fault_shutdown &&
				 relocate_checks[first].set != fault_version)
				KUNIT_EXPECT_EQ(test, 0,
						c.args.rcx | c.args.rdx);
		}
		tdx_model_destroy(m);
	}
}

/* Page 0 is at SRC_PA, in @state, as of an epoch that is over. */
static struct tdx_model *model_create_in(struct kunit *test, int op, int state)
{
	struct tdx_model *m = model_create(test);
	struct tdx_model_page *page = tdx_model_page(m, SRC_PA);

	m->op_state = op;
	m->epoch = 3;
	m->sept[0].state = state;
	m->sept[0].hpa = SRC_PA;
	page->type = TDX_MODEL_REG;
	page->hkid = HKID;
	page->content = VALUE;
	return m;
}

static void expect_admitted(struct kunit *test, u64 fn, int op, int state,
			    bool admitted)
{
	struct tdx_model *m = model_create_in(test, op, state);
	u64 status = model_call(m, fn, 0, DST_PA);

	KUNIT_EXPECT_EQ_MSG(test, admitted, !status,
			    "leaf %llu, op state %d, state %d: %llx", fn, op,
			    state, status);
	tdx_model_destroy(m);
}

/* Which state of an entry each leaf admits: of either, bit n is number n. */
static void leaves_admit_states(struct kunit *test)
{
	static const struct {
		u64 fn;
		unsigned long states, op_states;
	} leaves[] = {
		{ TDH_MEM_PAGE_ADD, 0x1, 0x2 },
		{ TDH_MR_EXTEND, 0x10, 0x2 },
		{ TDH_MEM_PAGE_AUG, 0x3, 0x20e },
		{ TDH_MEM_RANGE_BLOCK, 0x1454, 0x33e },
		{ TDH_MEM_RANGE_UNBLOCK, 0x828, 0x33e },
		/* The first row is that of vCPUs that may be running. */
		{ TDH_MEM_PAGE_RELOCATE, 0x28a0, 0x20c },
		{ TDH_MEM_PAGE_RELOCATE, 0xfff0, 0x132 },
		{ TDH_MEM_PAGE_REMOVE, 0x820, 0x20c },
		{ TDH_MEM_PAGE_REMOVE, 0x1c70, 0x532 },
	};
	int i, state, op;

	for (i = 0; i < ARRAY_SIZE(leaves); i++) {
		for (op = 0; op < TDX_MODEL_NR_OP_STATES; op++) {
			/* Of a leaf's two rows one is about this state. */
			if (!(leaves[i].op_states & BIT(op)))
				continue;
			for (state = 0; state < TDX_MODEL_NR_STATES; state++)
				expect_admitted(test, leaves[i].fn, op, state,
						leaves[i].states & BIT(state));
		}
	}
}

/* By the code that it has outside of the module. */
static void refused_state_is_told(struct kunit *test)
{
	static const u8 codes[TDX_MODEL_NR_STATES] = {
		0, 5, 132, 129, 4, 1, 8, 9, 11, 12, 2, 3, 16, 17, 19, 20,
	};
	int state;

	for (state = 0; state < TDX_MODEL_NR_STATES; state++) {
		struct tdx_model *m = model_create_in(test, 2, state);
		struct tdx_module_args args = { .rdx = TDR_PA, .r8 = DST_PA };
		u64 fn = state <= TDX_MODEL_REMOVED ? TDH_MEM_PAGE_RELOCATE :
						      TDH_MEM_PAGE_AUG;

		KUNIT_EXPECT_EQ(test,
				TDX_EPT_ENTRY_STATE_INCORRECT |
				TDX_OPERAND_ID_RCX,
				tdx_model_seamcall(m, fn, &args));
		KUNIT_EXPECT_EQ(test, (u64)codes[state] << 8, args.rdx);
		tdx_model_destroy(m);
	}
}

static void leaves_change_states(struct kunit *test)
{
	static const struct {
		u64 fn;
		int op, from, to;
	} changes[] = {
		{ TDH_MEM_RANGE_BLOCK, 2, TDX_MODEL_MAPPED, TDX_MODEL_BLOCKED },
		{ TDH_MEM_RANGE_BLOCK, 2, TDX_MODEL_BLOCKEDW,
		  TDX_MODEL_BLOCKED },
		{ TDH_MEM_RANGE_BLOCK, 2, TDX_MODEL_PENDING,
		  TDX_MODEL_PENDING_BLOCKED },
		{ TDH_MEM_RANGE_BLOCK, 2, TDX_MODEL_PENDING_BLOCKEDW,
		  TDX_MODEL_PENDING_BLOCKED },
		{ TDH_MEM_RANGE_BLOCK, 2, TDX_MODEL_NL_MAPPED,
		  TDX_MODEL_NL_BLOCKED },
		{ TDH_MEM_RANGE_UNBLOCK, 2, TDX_MODEL_BLOCKED,
		  TDX_MODEL_MAPPED },
		{ TDH_MEM_RANGE_UNBLOCK, 2, TDX_MODEL_PENDING_BLOCKED,
		  TDX_MODEL_PENDING },
		{ TDH_MEM_RANGE_UNBLOCK, 2, TDX_MODEL_NL_BLOCKED,
		  TDX_MODEL_NL_MAPPED },
		{ TDH_MEM_PAGE_REMOVE, 2, TDX_MODEL_BLOCKED, TDX_MODEL_FREE },
		/* In import it must not come back. */
		{ TDH_MEM_PAGE_REMOVE, 8, TDX_MODEL_BLOCKED,
		  TDX_MODEL_REMOVED },
		{ TDH_MEM_PAGE_ADD, 1, TDX_MODEL_FREE, TDX_MODEL_MAPPED },
		{ TDH_MEM_PAGE_AUG, 2, TDX_MODEL_FREE, TDX_MODEL_PENDING },
		{ TDH_MEM_PAGE_AUG, 2, TDX_MODEL_REMOVED, TDX_MODEL_PENDING },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(changes); i++) {
		struct tdx_model *m = model_create_in(test, changes[i].op,
						      changes[i].from);

		KUNIT_EXPECT_EQ(test, 0,
				model_call(m, changes[i].fn, 0, DST_PA));
		KUNIT_EXPECT_EQ_MSG(test, changes[i].to, m->sept[0].state,
				    "change %d", i);
		tdx_model_destroy(m);
	}
}

/* It unblocks, keeps all other states, and copies what is not pending. */
static void relocating_keeps_states(struct kunit *test)
{
	int state;

	for (state = TDX_MODEL_MAPPED; state < TDX_MODEL_NR_STATES; state++) {
		struct tdx_model *m = model_create_in(test, 1, state);
		int after = state;

		if (state == TDX_MODEL_BLOCKED)
			after = TDX_MODEL_MAPPED;
		else if (state == TDX_MODEL_PENDING_BLOCKED)
			after = TDX_MODEL_PENDING;
		KUNIT_EXPECT_EQ(test, 0, model_call(m, TDH_MEM_PAGE_RELOCATE, 0,
						    DST_PA));
		KUNIT_EXPECT_EQ(test, DST_PA, m->sept[0].hpa);
		KUNIT_EXPECT_EQ(test, after, m->sept[0].state);
		KUNIT_EXPECT_EQ(test, state < TDX_MODEL_PENDING ? VALUE : 0,
				tdx_model_page(m, DST_PA)->content);
		KUNIT_EXPECT_STREQ(test, "", m->violation ?: "");
		tdx_model_destroy(m);
	}
}

static void leaves_admit_op_states(struct kunit *test)
{
	static const struct {
		u64 fn;
		unsigned long op_states;
	} leaves[] = {
		{ TDH_MEM_PAGE_RELOCATE, 0x33e }, { TDH_MEM_RANGE_BLOCK, 0x33e },
		{ TDH_MEM_RANGE_UNBLOCK, 0x33e }, { TDH_MEM_PAGE_REMOVE, 0x73e },
		{ TDH_MEM_TRACK, 0x3fe }, { TDH_MEM_PAGE_AUG, 0x20e },
		{ TDH_MEM_PAGE_ADD, 0x2 }, { TDH_MR_EXTEND, 0x2 },
		{ TDH_MR_FINALIZE, 0x2 },
	};
	int i, op;

	for (i = 0; i < ARRAY_SIZE(leaves); i++) {
		for (op = 0; op < TDX_MODEL_NR_OP_STATES; op++) {
			struct tdx_model *m = model_create(test);
			u64 fn = leaves[i].fn, rcx = 0, status;

			if (fn == TDH_MEM_TRACK || fn == TDH_MR_FINALIZE)
				rcx = TDR_PA;
			m->op_state = op;
			status = model_call(m, fn, rcx, DST_PA);
			KUNIT_EXPECT_EQ_MSG(test,
					    !(leaves[i].op_states & BIT(op)),
					    status == TDX_OP_STATE_INCORRECT,
					    "leaf %llu, op state %d", fn, op);
			tdx_model_destroy(m);
		}
	}
}

/* As KVM does: page 0, at SRC_PA, begins as what is at IMAGE_PA. */
static struct tdx_model *model_create_new(struct kunit *test)
{
	struct tdx_model *m = model_create(test);

	m->op_state = TDX_MODEL_INITIALIZED;
	tdx_model_host_write(m, IMAGE_PA, VALUE);
	KUNIT_ASSERT_EQ(test, 0, model_call(m, TDH_MEM_PAGE_ADD, 0, SRC_PA));
	return m;
}

static void model_finalize(struct kunit *test, struct tdx_model *m)
{
	int i;

	for (i = 0; i < PAGE_SIZE; i += TDX_EXTENDMR_CHUNKSIZE)
		KUNIT_ASSERT_EQ(test, 0, model_call(m, TDH_MR_EXTEND, i, 0));
	KUNIT_ASSERT_EQ(test, 0, model_call(m, TDH_MR_FINALIZE, TDR_PA, 0));
}

/* It takes no blocking and no tracking, and what is measured is the same. */
static void page_of_a_new_td_moves(struct kunit *test)
{
	struct tdx_model *moved = model_create_new(test);
	struct tdx_model *stays = model_create_new(test);

	KUNIT_EXPECT_EQ(test, 0,
			model_call(moved, TDH_MEM_PAGE_RELOCATE, 0, DST_PA));
	KUNIT_EXPECT_EQ(test, DST_PA, moved->sept[0].hpa);
	KUNIT_EXPECT_EQ(test, moved->sept[0].state, TDX_MODEL_MAPPED);
	model_finalize(test, moved);
	model_finalize(test, stays);
	KUNIT_EXPECT_EQ(test, stays->mrtd, moved->mrtd);
	KUNIT_EXPECT_EQ(test, VALUE, model_read(moved));
	/* From now on it does. */
	KUNIT_EXPECT_EQ(test, TDX_GPA_RANGE_NOT_BLOCKED | TDX_OPERAND_ID_RCX,
			model_call(moved, TDH_MEM_PAGE_RELOCATE, 0, SRC_PA));
	KUNIT_EXPECT_STREQ(test, "", moved->violation ?: "");
	tdx_model_destroy(stays);
	tdx_model_destroy(moved);
}

/* PAGE.RELOCATE shares the TDR; what measures does not. */
static void building_a_td_takes_its_tdr(struct kunit *test)
{
	struct tdx_model *m = model_create_new(test);

	m->shared = BIT(TDX_MODEL_LOCK_TDR);
	KUNIT_EXPECT_EQ(test, TDX_OPERAND_BUSY | TDX_OPERAND_ID_RDX,
			model_call(m, TDH_MEM_PAGE_ADD, PAGE_SIZE, DST_PA));
	KUNIT_EXPECT_EQ(test, TDX_OPERAND_BUSY | TDX_OPERAND_ID_RDX,
			model_call(m, TDH_MR_EXTEND, 0, 0));
	KUNIT_EXPECT_EQ(test, TDX_OPERAND_BUSY | TDX_OPERAND_ID_RCX,
			model_call(m, TDH_MR_FINALIZE, TDR_PA, 0));
	KUNIT_EXPECT_EQ(test, 0,
			model_call(m, TDH_MEM_PAGE_RELOCATE, 0, DST_PA));
	m->shared = 0;
	m->busy[TDX_MODEL_LOCK_TDR] = 1;
	KUNIT_EXPECT_EQ(test, TDX_OPERAND_BUSY | TDX_OPERAND_ID_RDX,
			model_call(m, TDH_MEM_PAGE_RELOCATE, 0, SRC_PA));
	/* Nothing else is locked, as who has the TDR is alone. */
	m->busy[TDX_MODEL_LOCK_OP_STATE] = 1;
	m->busy[TDX_MODEL_LOCK_TREE] = 1;
	m->busy[TDX_MODEL_LOCK_ENTRY] = 1;
	model_finalize(test, m);
	tdx_model_destroy(m);
}

static void what_is_not_mapped_is_not_measured(struct kunit *test)
{
	struct tdx_model *m = model_create_new(test);

	KUNIT_EXPECT_EQ(test, TDX_EPT_ENTRY_NOT_PRESENT,
			model_call(m, TDH_MR_EXTEND, PAGE_SIZE, 0));
	KUNIT_EXPECT_EQ(test, TDX_EPT_ENTRY_NOT_PRESENT | TDX_OPERAND_ID_RCX,
			model_call(m, TDH_MR_EXTEND,
				   TDX_MODEL_PAGES * PAGE_SIZE, 0));
	KUNIT_EXPECT_EQ(test, TDX_OPERAND_INVALID | TDX_OPERAND_ID_RCX,
			model_call(m, TDH_MR_EXTEND, 128, 0));
	tdx_model_destroy(m);
}

static void blocking_twice_is_told_and_is_no_error(struct kunit *test)
{
	struct tdx_model *m = model_create(test);
	u64 status;

	model_fill(test, m);
	KUNIT_EXPECT_EQ(test, 0, model_call(m, TDH_MEM_RANGE_BLOCK, 0, 0));
	status = model_call(m, TDH_MEM_RANGE_BLOCK, 0, 0);
	KUNIT_EXPECT_EQ(test, TDX_GPA_RANGE_ALREADY_BLOCKED | TDX_OPERAND_ID_RCX,
			status);
	KUNIT_EXPECT_FALSE(test, status & BIT_ULL(63));
	tdx_model_destroy(m);
}

static void unblocking_takes_tracking(struct kunit *test)
{
	struct tdx_model *m = model_create(test);

	model_fill(test, m);
	KUNIT_EXPECT_EQ(test, 0, model_call(m, TDH_MEM_RANGE_BLOCK, 0, 0));
	KUNIT_EXPECT_EQ(test, TDX_TLB_TRACKING_NOT_DONE | TDX_OPERAND_ID_SEPT,
			model_call(m, TDH_MEM_RANGE_UNBLOCK, 0, 0));
	KUNIT_EXPECT_EQ(test, 0, model_track(m));
	KUNIT_EXPECT_EQ(test, 0, model_call(m, TDH_MEM_RANGE_UNBLOCK, 0, 0));
	KUNIT_EXPECT_EQ(test, VALUE, model_read(m));
	tdx_model_destroy(m);
}

/* Who was inside when a page was blocked has to come out. */
static void tracking_waits_for_those_inside(struct kunit *test)
{
	struct tdx_model *m = model_create(test);
	u64 value;

	model_fill(test, m);
	KUNIT_EXPECT_EQ(test, 0, tdx_model_enter(m, 0));
	KUNIT_EXPECT_EQ(test, 0, tdx_model_read(m, 0, 0, &value));
	KUNIT_EXPECT_EQ(test, 0, model_call(m, TDH_MEM_RANGE_BLOCK, 0, 0));
	KUNIT_EXPECT_EQ(test, 0, model_track(m));
	/* It still uses its TLB. */
	KUNIT_EXPECT_EQ(test, 0, tdx_model_read(m, 0, 0, &value));
	KUNIT_EXPECT_EQ(test, TDX_TLB_TRACKING_NOT_DONE | TDX_OPERAND_ID_RCX,
			model_call(m, TDH_MEM_PAGE_RELOCATE, 0, DST_PA));
	/* Nor can there be another epoch. */
	KUNIT_EXPECT_EQ(test, TDX_PREVIOUS_TLB_EPOCH_BUSY, model_track(m));
	tdx_model_exit(m, 0);
	/* Who enters now does not count, and finds it blocked. */
	KUNIT_EXPECT_EQ(test, 0, tdx_model_enter(m, 0));
	KUNIT_EXPECT_EQ(test, -EFAULT, tdx_model_read(m, 0, 0, &value));
	KUNIT_EXPECT_EQ(test, 0,
			model_call(m, TDH_MEM_PAGE_RELOCATE, 0, DST_PA));
	KUNIT_EXPECT_EQ(test, 0, tdx_model_read(m, 0, 0, &value));
	KUNIT_EXPECT_EQ(test, VALUE, value);
	KUNIT_EXPECT_STREQ(test, "", m->violation ?: "");
	tdx_model_destroy(m);
}

static void pending_page_is_not_copied(struct kunit *test)
{
	struct tdx_model *m = model_create(test);

	KUNIT_EXPECT_EQ(test, 0, model_call(m, TDH_MEM_PAGE_AUG, 0, SRC_PA));
	KUNIT_EXPECT_EQ(test, 0, model_call(m, TDH_MEM_RANGE_BLOCK, 0, 0));
	KUNIT_EXPECT_EQ(test, m->sept[0].state, TDX_MODEL_PENDING_BLOCKED);
	KUNIT_EXPECT_EQ(test, 0, tdx_model_enter(m, 0));
	KUNIT_EXPECT_EQ(test, -EFAULT, tdx_model_accept(m, 0, 0));
	tdx_model_exit(m, 0);
	KUNIT_EXPECT_EQ(test, 0, model_track(m));
	KUNIT_EXPECT_EQ(test, 0,
			model_call(m, TDH_MEM_PAGE_RELOCATE, 0, DST_PA));
	KUNIT_EXPECT_EQ(test, m->sept[0].state, TDX_MODEL_PENDING);
	KUNIT_EXPECT_NE(test, HKID, tdx_model_page(m, DST_PA)->hkid);
	tdx_model_destroy(m);
}

/* A host that found an entry locked comes before the guest, until it succeeds. */
static void host_has_priority(struct kunit *test)
{
	struct tdx_model *m = model_create(test);

	KUNIT_EXPECT_EQ(test, 0, model_call(m, TDH_MEM_PAGE_AUG, 0, SRC_PA));
	m->busy[TDX_MODEL_LOCK_ENTRY] = 1;
	KUNIT_EXPECT_EQ(test, TDX_OPERAND_BUSY | TDX_OPERAND_ID_RCX,
			model_call(m, TDH_MEM_RANGE_BLOCK, 0, 0));
	KUNIT_EXPECT_EQ(test, 0, tdx_model_enter(m, 0));
	KUNIT_EXPECT_EQ(test, -EBUSY, tdx_model_accept(m, 0, 0));
	KUNIT_EXPECT_EQ(test, 0, model_call(m, TDH_MEM_RANGE_BLOCK, 0, 0));
	tdx_model_exit(m, 0);
	KUNIT_EXPECT_EQ(test, 0, model_track(m));
	KUNIT_EXPECT_EQ(test, 0, model_call(m, TDH_MEM_RANGE_UNBLOCK, 0, 0));
	KUNIT_EXPECT_EQ(test, 0, tdx_model_enter(m, 0));
	KUNIT_EXPECT_EQ(test, 0, tdx_model_accept(m, 0, 0));
	tdx_model_destroy(m);
}

/* Only of a page that is not in use, and by the key that wrote it. */
static void wbinvd_is_for_pages_that_are_free(struct kunit *test)
{
	struct tdx_model *m = model_create(test);
	u64 key = (u64)HKID << boot_cpu_data.x86_phys_bits;

	model_fill(test, m);
	KUNIT_EXPECT_EQ(test, TDX_PAGE_METADATA_INCORRECT | TDX_OPERAND_ID_RCX,
			model_call(m, TDH_PHYMEM_PAGE_WBINVD, SRC_PA | key, 0));
	KUNIT_EXPECT_EQ(test, 0, model_call(m, TDH_MEM_RANGE_BLOCK, 0, 0));
	KUNIT_EXPECT_EQ(test, 0, model_track(m));
	KUNIT_EXPECT_EQ(test, 0, model_call(m, TDH_MEM_PAGE_REMOVE, 0, 0));
	KUNIT_EXPECT_EQ(test, 0, model_call(m, TDH_PHYMEM_PAGE_WBINVD, SRC_PA, 0));
	KUNIT_EXPECT_TRUE(test, tdx_model_page(m, SRC_PA)->cached);
	KUNIT_EXPECT_EQ(test, 0,
			model_call(m, TDH_PHYMEM_PAGE_WBINVD, SRC_PA | key, 0));
	KUNIT_EXPECT_FALSE(test, tdx_model_page(m, SRC_PA)->cached);
	tdx_model_destroy(m);
}

static void expect_violation(struct kunit *test, struct tdx_model *m,
			     bool violation)
{
	KUNIT_EXPECT_EQ_MSG(test, violation, !!m->violation, "%s",
			    m->violation ?: "none");
	tdx_model_destroy(m);
}

/* What the host has written and not flushed destroys what the TD writes. */
static void lines_of_the_host_are_noticed(struct kunit *test)
{
	static const u64 leaves[] = {
		TDH_MEM_PAGE_ADD, TDH_MEM_PAGE_AUG, TDH_MEM_PAGE_RELOCATE,
	};
	int i, flush;

	for (i = 0; i < ARRAY_SIZE(leaves); i++) {
		for (flush = 0; flush < 2; flush++) {
			struct tdx_model *m = model_create_new(test);
			u64 gpa = PAGE_SIZE;

			if (leaves[i] == TDH_MEM_PAGE_RELOCATE)
				gpa = 0;
			tdx_model_host_write(m, DST_PA, 0);
			if (flush)
				tdx_model_clflush(m, DST_PA);
			KUNIT_EXPECT_EQ(test, 0, model_call(m, leaves[i], gpa,
							    DST_PA));
			expect_violation(test, m, !flush);
		}
	}
}

/* A page comes back to the host by WBINVD, and then a reset. */
static void page_with_the_key_of_the_td_is_noticed(struct kunit *test)
{
	u64 key = (u64)HKID << boot_cpu_data.x86_phys_bits;
	int wbinvd, reset;

	for (wbinvd = 0; wbinvd < 2; wbinvd++) {
		for (reset = 0; reset < 2; reset++) {
			struct tdx_model *m = model_create_new(test);

			KUNIT_EXPECT_EQ(test, 0,
					model_call(m, TDH_MEM_PAGE_RELOCATE, 0,
						   DST_PA));
			if (wbinvd)
				model_call(m, TDH_PHYMEM_PAGE_WBINVD,
					   SRC_PA | key, 0);
			/* Its lines are not of an address without a key. */
			tdx_model_clflush(m, SRC_PA);
			if (reset)
				tdx_model_reset(m, SRC_PA);
			tdx_model_host_write(m, SRC_PA, 0);
			expect_violation(test, m, !wbinvd || !reset);
		}
	}
}

static void stale_translation_is_noticed(struct kunit *test)
{
	struct tdx_model *m = model_create(test);
	u64 value;

	model_fill(test, m);
	KUNIT_EXPECT_EQ(test, 0, tdx_model_enter(m, 0));
	KUNIT_EXPECT_EQ(test, 0, tdx_model_read(m, 0, 0, &value));
	/* As if the module had not insisted. */
	m->sept[0].hpa = DST_PA;
	KUNIT_EXPECT_EQ(test, 0, tdx_model_read(m, 0, 0, &value));
	KUNIT_EXPECT_NOT_NULL(test, m->violation);
	tdx_model_destroy(m);
}

static struct kunit_case tdx_model_cases[] = {
	KUNIT_CASE(relocate_checks_in_order),
	KUNIT_CASE(leaves_admit_states),
	KUNIT_CASE(refused_state_is_told),
	KUNIT_CASE(leaves_change_states),
	KUNIT_CASE(relocating_keeps_states),
	KUNIT_CASE(leaves_admit_op_states),
	KUNIT_CASE(page_of_a_new_td_moves),
	KUNIT_CASE(building_a_td_takes_its_tdr),
	KUNIT_CASE(what_is_not_mapped_is_not_measured),
	KUNIT_CASE(blocking_twice_is_told_and_is_no_error),
	KUNIT_CASE(unblocking_takes_tracking),
	KUNIT_CASE(tracking_waits_for_those_inside),
	KUNIT_CASE(pending_page_is_not_copied),
	KUNIT_CASE(host_has_priority),
	KUNIT_CASE(wbinvd_is_for_pages_that_are_free),
	KUNIT_CASE(lines_of_the_host_are_noticed),
	KUNIT_CASE(page_with_the_key_of_the_td_is_noticed),
	KUNIT_CASE(stale_translation_is_noticed),
	{}
};

static struct kunit_suite tdx_model_suite = {
	.name = "tdx_model",
	.test_cases = tdx_model_cases,
};

kunit_test_suites(&tdx_model_suite, &tdx_move_suite);
