// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of moving an SNP guest's memory: mm/migrate.c, memfile,
 * guest_memfd, the TDP MMU and KVM's SEV code are the real ones, down to
 * RMPUPDATE, reading the RMP, and the firmware's commands, which are redirected
 * to a model.
 *
 *	echo 1 > /sys/kernel/debug/kunit/snp_move/run
 *
 * What fails when a step is left out, as tried:
 *
 * unmap (block)	one_page_moves, adversary_loses, and others
 * flush, kick		one_page_moves, vcpu_inside_is_kicked_out, and others
 * flush without SPTE	vmsa_in_use_moves_without_an_spte
 * flush if not bound	vmsa_in_use_moves_when_it_is_not_bound
 * reload of VMSA	vmsa_in_use_moves, adversary_loses
 * sequence bump	fault_that_has_the_source_retries
 * source immutable	one_page_moves: nothing moves
 * source's GPA		two_pages_move, adversary_loses, and others
 * destination private	one_page_moves: nothing moves
 * destination reclaimed	status_is_coped_with, adversary_loses, and others
 * source reclaimed	status_is_coped_with, and others
 * taking back		freeze_that_fails_after_the_firmware
 * source shared	one_page_moves, adversary_loses, and others
 * flush (clflush)	one_page_moves, and others
 * VM dead		guest_does_not_survive_the_firmware
 * VM dead after undo	guest_that_has_lost_a_page_is_dead
 * trylock		commands_of_others_are_not_waited_for
 * unlock		status_is_coped_with, and others
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/prandom.h>
#include <linux/psp-sev.h>
#include <linux/random.h>
#include <linux/swap.h>

#include "../../../../virt/kvm/guest_memfd.h"
#include "mmu/gmem_test_vm.h"
#include "mmu/spte.h"
#include "snp_model.h"
#include "svm.h"

#define NR		GMEM_TEST_PAGES
#define ASID		7
#define VALUE		0x5ec3e7ULL

struct snp_test {
	struct gmem_test_vm vm;
	struct snp_model m;
	struct kvm_svm *svm;
	struct vcpu_svm *vcpu[SNP_MODEL_VCPUS];
	struct kvm_memslots *slots;
	struct page *context;
};

/* Of the first try to move something since the guest has its memory. */
static u64 destination;

static struct snp_test *current_snp(void)
{
	return kunit_get_current_test()->priv;
}

/* vCPUs don't run: what they were asked to do is done when that matters. */
static void serve_requests(struct snp_test *t)
{
	int i;

	for (i = 0; i < SNP_MODEL_VCPUS; i++)
		if (kvm_check_request(KVM_REQ_TLB_FLUSH, &t->vcpu[i]->vcpu))
			snp_model_kick(&t->m);
}

static int rmpupdate_model(u64 pfn, struct rmp_state *state)
{
	struct snp_test *t = current_snp();
	int ret;

	serve_requests(t);
	do {
		ret = snp_model_rmpupdate(&t->m, pfn, state);
	} while (ret == RMPUPDATE_FAIL_OVERLAP);
	return ret ? -EFAULT : 0;
}

static int look_up_in_model(u64 pfn, struct rmpentry *e, int *level)
{
	return snp_model_rmpread(&current_snp()->m, pfn, e, level);
}

static int command_model(int cmd, void *data, int *psp_ret)
{
	struct snp_test *t = current_snp();

	serve_requests(t);
	return snp_model_command(&t->m, cmd, data, psp_ret);
}

static void clflush_in_model(kvm_pfn_t pfn)
{
	snp_model_clflush(&current_snp()->m, PFN_PHYS(pfn));
}

/* As sev_gmem_make_shared(), which looks whether this machine has SNP. */
static void make_shared_in_model(kvm_pfn_t pfn, kvm_pfn_t nr_pages)
{
	struct snp_test *t = current_snp();

	KUNIT_EXPECT_EQ(t->vm.test, 0, sev_gmem_release(t->vm.kvm, pfn));
}

static u64 look_up_in_npt(struct snp_model *m, u64 gpa)
{
	struct snp_test *t = container_of(m, struct snp_test, m);
	u64 spte = *gmem_test_spte(&t->vm, PHYS_PFN(gpa));

	return spte & SPTE_MMU_PRESENT_MASK ? PFN_PHYS(spte_to_pfn(spte)) : 0;
}

/* The guest */

static u64 snp_pa(struct snp_test *t, int page)
{
	return PFN_PHYS(folio_pfn(gmem_test_folio(&t->vm, page)));
}

static enum snp_model_state snp_state(struct snp_test *t, u64 pa)
{
	return snp_model_state(&t->m, pa);
}

static int snp_enter(struct snp_test *t, int vcpu)
{
	struct vcpu_svm *svm = t->vcpu[vcpu];

	serve_requests(t);
	if (kvm_check_request(KVM_REQ_VMSA_PAGE_RELOAD, &svm->vcpu)) {
		/* As no vCPU runs that would keep the VM what it is. */
		guard(mutex)(&t->vm.kvm->lock);
		guard(mutex)(&t->vm.kvm->slots_lock);
		sev_snp_reload_vmsa(&svm->vcpu);
		t->m.vcpu[vcpu].vmsa = svm->vmcb->control.vmsa_pa;
	}
	return snp_model_enter(&t->m, vcpu);
}

/* Map @page as a fault does. */
static void snp_fault(struct snp_test *t, int page)
{
	struct page *p;
	kvm_pfn_t pfn;

	guard(mutex)(&t->vm.kvm->lock);
	KUNIT_ASSERT_EQ(t->vm.test, 0,
			kvm_gmem_get_pfn(t->vm.kvm, t->vm.slot, page, &pfn, &p,
					 NULL));
	*gmem_test_spte(&t->vm, page) = PFN_PHYS(pfn) | SPTE_MMU_PRESENT_MASK;
	put_page(p);
}

/* What a vCPU that is inside reads; a fault has it exit, and enter again. */
static int snp_read(struct snp_test *t, int vcpu, int page, u64 *value)
{
	int r;

	serve_requests(t);
	r = snp_model_read(&t->m, vcpu, page, value);
	if (r != -EFAULT)
		return r;
	snp_model_exit(&t->m, vcpu);
	snp_fault(t, page);
	KUNIT_ASSERT_EQ(t->vm.test, 0, snp_enter(t, vcpu));
	return snp_model_read(&t->m, vcpu, page, value);
}

static void snp_write_new(struct snp_test *t, int vcpu, int page, u64 value)
{
	u64 old;

	KUNIT_EXPECT_EQ(t->vm.test, -EACCES, snp_read(t, vcpu, page, &old));
	KUNIT_EXPECT_EQ(t->vm.test, 0, snp_model_pvalidate(&t->m, vcpu, page));
	KUNIT_EXPECT_EQ(t->vm.test, 0,
			snp_model_write(&t->m, vcpu, page, value));
}

/* The first @nr pages are the guest's, which has written something to them. */
static void snp_fill(struct snp_test *t, int nr)
{
	int i;

	KUNIT_ASSERT_EQ(t->vm.test, 0, snp_enter(t, 0));
	for (i = 0; i < nr; i++)
		snp_write_new(t, 0, i, VALUE + i);
	snp_model_exit(&t->m, 0);
	memset(t->m.calls, 0, sizeof(t->m.calls));
	t->m.rmpupdates = 0;
	destination = 0;
}

static void snp_expect_value(struct snp_test *t, int page, u64 value)
{
	u64 got = 0;

	KUNIT_ASSERT_EQ(t->vm.test, 0, snp_enter(t, 1));
	KUNIT_EXPECT_EQ(t->vm.test, 0, snp_read(t, 1, page, &got));
	snp_model_exit(&t->m, 1);
	KUNIT_EXPECT_EQ(t->vm.test, value, got);
}

/* All that has to be so, whatever has happened. */
static void snp_expect_sane(struct snp_test *t, int nr)
{
	int i;

	KUNIT_EXPECT_STREQ(t->vm.test, "", t->m.violation ?: "");
	KUNIT_EXPECT_FALSE(t->vm.test, t->vm.kvm->vm_dead);
	for (i = 0; i < nr; i++) {
		KUNIT_EXPECT_EQ(t->vm.test, SNP_MODEL_GUEST_VALID,
				snp_state(t, snp_pa(t, i)));
		KUNIT_EXPECT_EQ(t->vm.test, i * PAGE_SIZE,
				snp_model_page(&t->m, snp_pa(t, i))->gpa);
		snp_expect_value(t, i, VALUE + i);
	}
}

/* Freed memory is the host's, and nothing of the guest's is in any cache. */
static void snp_expect_freed(struct snp_test *t, u64 pa)
{
	KUNIT_EXPECT_EQ(t->vm.test, SNP_MODEL_HYPERVISOR, snp_state(t, pa));
	KUNIT_EXPECT_FALSE(t->vm.test, snp_model_page(&t->m, pa)->cached);
}

static void snp_expect_all_freed(struct snp_test *t)
{
	struct snp_model_page *page;
	unsigned long pfn;
	int i, assigned = 0;

	xa_for_each(&t->m.pages, pfn, page) {
		if (page->assigned && page->asid == ASID)
			assigned++;
		else if (!page->assigned)
			KUNIT_EXPECT_FALSE(t->vm.test, page->cached);
	}
	for (i = 0; i < NR; i++) {
		struct folio *folio = gmem_test_folio(&t->vm, i);

		if (folio && snp_model_page(&t->m, PFN_PHYS(folio_pfn(folio)))->assigned)
			assigned--;
	}
	KUNIT_EXPECT_EQ(t->vm.test, 0, assigned);
}

static struct folio *new_folio(struct folio *src, unsigned long private)
{
	struct folio *dst = folio_alloc(GFP_HIGHUSER_MOVABLE, 0);

	if (dst && !destination)
		destination = PFN_PHYS(folio_pfn(dst));
	return dst;
}

static int snp_move(struct snp_test *t, int start, int nr)
{
	int stayed = gmem_test_move(&t->vm, start, nr, new_folio, 0);

	/* Others may have commands again. */
	KUNIT_EXPECT_TRUE(t->vm.test, sev_cmd_trylock());
	sev_cmd_unlock();
	return stayed;
}

static struct vcpu_svm *snp_create_vcpu(struct snp_test *t, int id)
{
	struct vcpu_svm *svm = kunit_kzalloc(t->vm.test, sizeof(*svm),
					     GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(t->vm.test, svm);
	svm->vmcb = kunit_kzalloc(t->vm.test, sizeof(*svm->vmcb), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(t->vm.test, svm->vmcb);
	svm->vcpu.kvm = t->vm.kvm;
	svm->vcpu.vcpu_id = id;
	svm->vcpu.vcpu_idx = id;
	svm->vcpu.cpu = -1;
	svm->sev_es.snp_guest_vmsa_gpa = INVALID_PAGE;
	mutex_init(&svm->sev_es.snp_vmsa_mutex);
	KUNIT_ASSERT_EQ(t->vm.test, 0,
			xa_err(xa_store(&t->vm.kvm->vcpu_array, id, &svm->vcpu,
					GFP_KERNEL)));
	atomic_inc(&t->vm.kvm->online_vcpus);
	return svm;
}

static int snp_test_init(struct kunit *test)
{
	struct snp_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	struct kvm_sev_info *sev;
	struct kvm *kvm;
	int i;

	/* Its operations are called, for VMs of other types as well. */
	if (kvm_x86_ops.gmem_relocate != sev_gmem_relocate)
		kunit_skip(test, "needs a processor with SVM");

	KUNIT_ASSERT_NOT_NULL(test, t);
	test->priv = t;
	t->svm = kunit_kzalloc(test, sizeof(*t->svm), GFP_KERNEL);
	t->slots = kunit_kzalloc(test, sizeof(*t->slots), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->svm);
	KUNIT_ASSERT_NOT_NULL(test, t->slots);
	t->context = alloc_page(GFP_KERNEL | __GFP_NOFAIL);
	kvm = &t->svm->kvm;
	sev = &t->svm->sev_info;
	sev->active = true;
	sev->es_active = true;
	sev->vmsa_features = SVM_SEV_FEAT_SNP_ACTIVE;
	sev->asid = ASID;
	sev->snp_context = page_address(t->context);

	snp_model_init(&t->m, page_to_phys(t->context), ASID);
	t->m.npt = look_up_in_npt;

	kunit_activate_static_stub(test, rmpupdate, rmpupdate_model);
	kunit_activate_static_stub(test, __snp_lookup_rmpentry, look_up_in_model);
	kunit_activate_static_stub(test, __sev_do_cmd_locked, command_model);
	kunit_activate_static_stub(test, sev_clflush_pfn, clflush_in_model);
	static_call_update(kvm_x86_gmem_make_shared, make_shared_in_model);

	gmem_test_init(&t->vm, test, kvm, KVM_X86_SNP_VM);
	/* gfn_to_memslot() looks at the last used one first. */
	atomic_long_set(&t->slots->last_used_slot, (long)t->vm.slot);
	hash_add(t->slots->id_hash, &t->vm.slot->id_node[0], 0);
	for (i = 0; i < KVM_MAX_NR_ADDRESS_SPACES; i++)
		rcu_assign_pointer(kvm->memslots[i], t->slots);
	for (i = 0; i < SNP_MODEL_VCPUS; i++)
		t->vcpu[i] = snp_create_vcpu(t, i);
	return 0;
}

static void snp_test_exit(struct kunit *test)
{
	struct snp_test *t = test->priv;

	if (!t)
		return;
	snp_model_kick(&t->m);
	t->m.dead = false;
	t->m.rmpupdate_fails_in = 0;
	gmem_test_exit(&t->vm);
	static_call_update(kvm_x86_gmem_make_shared, sev_gmem_make_shared);
	xa_destroy(&t->vm.kvm->vcpu_array);
	snp_model_destroy(&t->m);
	__free_page(t->context);
}

/* Moving */

static void batch_moves(struct snp_test *t, int nr)
{
	struct kunit *test = t->vm.test;
	u64 *pa = kunit_kcalloc(test, nr, sizeof(*pa), GFP_KERNEL);
	struct kvm *kvm = t->vm.kvm;
	u64 flushes;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, pa);
	snp_fill(t, nr);
	for (i = 0; i < nr; i++)
		pa[i] = snp_pa(t, i);
	flushes = kvm->stat.generic.remote_tlb_flush_requests;

	KUNIT_EXPECT_EQ(test, 0, snp_move(t, 0, nr));
	KUNIT_EXPECT_EQ(test, nr, t->m.calls[SEV_CMD_SNP_PAGE_MOVE]);
	KUNIT_EXPECT_EQ(test, 0, t->m.calls[SEV_CMD_SNP_PAGE_RECLAIM]);
	/* Two pages are made immutable, and one shared. */
	KUNIT_EXPECT_EQ(test, 3 * nr, t->m.rmpupdates);
	KUNIT_EXPECT_EQ(test, flushes + 1,
			kvm->stat.generic.remote_tlb_flush_requests);
	for (i = 0; i < nr; i++) {
		KUNIT_EXPECT_NE(test, pa[i], snp_pa(t, i));
		KUNIT_EXPECT_EQ(test, 0, *gmem_test_spte(&t->vm, i) &
				SPTE_MMU_PRESENT_MASK);
		snp_expect_freed(t, pa[i]);
	}
	snp_expect_sane(t, nr);
}

static void one_page_moves(struct kunit *test)
{
	batch_moves(test->priv, 1);
}

static void two_pages_move(struct kunit *test)
{
	batch_moves(test->priv, 2);
}

static void batch_takes_one_flush(struct kunit *test)
{
	batch_moves(test->priv, 512);
}

static void vcpu_inside_is_kicked_out(struct kunit *test)
{
	struct snp_test *t = test->priv;
	u64 value;

	snp_fill(t, 1);
	KUNIT_EXPECT_EQ(test, 0, snp_enter(t, 0));
	KUNIT_EXPECT_EQ(test, 0, snp_read(t, 0, 0, &value));
	KUNIT_EXPECT_EQ(test, 0, snp_move(t, 0, 1));
	KUNIT_EXPECT_FALSE(test, t->m.vcpu[0].inside);
	KUNIT_EXPECT_EQ(test, 0, snp_enter(t, 0));
	KUNIT_EXPECT_EQ(test, 0, snp_read(t, 0, 0, &value));
	KUNIT_EXPECT_EQ(test, VALUE, value);
	snp_model_exit(&t->m, 0);
	snp_expect_sane(t, 1);
}

/* A fault that has looked up the source must look again. */
static void fault_that_has_the_source_retries(struct kunit *test)
{
	struct snp_test *t = test->priv;
	struct kvm *kvm = t->vm.kvm;
	unsigned long seq;

	snp_fill(t, 1);
	seq = kvm->mmu_invalidate_seq;
	KUNIT_EXPECT_EQ(test, 0, snp_move(t, 0, 1));
	read_lock(&kvm->mmu_lock);
	KUNIT_EXPECT_TRUE(test, mmu_invalidate_retry_gfn(kvm, seq, 0));
	read_unlock(&kvm->mmu_lock);
	snp_expect_sane(t, 1);
}

/* It is the guest's, which has not accepted it. */
static void page_that_is_not_validated_moves(struct kunit *test)
{
	struct snp_test *t = test->priv;
	u64 pa;

	snp_fault(t, 0);
	pa = snp_pa(t, 0);
	KUNIT_EXPECT_EQ(test, 0, snp_move(t, 0, 1));
	KUNIT_EXPECT_EQ(test, 1, t->m.calls[SEV_CMD_SNP_PAGE_MOVE]);
	KUNIT_EXPECT_EQ(test, SNP_MODEL_GUEST_INVALID, snp_state(t, snp_pa(t, 0)));
	snp_expect_freed(t, pa);

	KUNIT_EXPECT_EQ(test, 0, snp_enter(t, 0));
	snp_write_new(t, 0, 0, VALUE);
	snp_model_exit(&t->m, 0);
	snp_expect_sane(t, 1);
}

/* It is still the host's: the CPU copies it. */
static void page_that_is_not_assigned_moves(struct kunit *test)
{
	struct snp_test *t = test->priv;
	struct folio *folio;

	gmem_test_allocate(&t->vm, 0, 1);
	folio = gmem_test_folio(&t->vm, 0);
	memset(folio_address(folio), 0xa5, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, 0, snp_move(t, 0, 1));
	KUNIT_EXPECT_PTR_NE(test, folio, gmem_test_folio(&t->vm, 0));
	folio = gmem_test_folio(&t->vm, 0);
	KUNIT_EXPECT_PTR_EQ(test, NULL,
			    memchr_inv(folio_address(folio), 0xa5, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 0, t->m.calls[SEV_CMD_SNP_PAGE_MOVE]);
	KUNIT_EXPECT_EQ(test, 0, t->m.rmpupdates);
}

/* The RMP knows whose page it is, and where, when no memslot does. */
static void page_that_is_not_bound_moves(struct kunit *test)
{
	struct snp_test *t = test->priv;
	u64 pa;

	snp_fill(t, 1);
	pa = snp_pa(t, 0);
	*gmem_test_spte(&t->vm, 0) = 0;
	gmem_test_unbind(&t->vm);
	KUNIT_EXPECT_EQ(test, 0, snp_move(t, 0, 1));
	KUNIT_EXPECT_NE(test, pa, snp_pa(t, 0));
	gmem_test_bind(&t->vm);
	snp_expect_sane(t, 1);
}

/* Page @page is the VMSA of vCPU 0 from now on. */
static void snp_use_vmsa(struct snp_test *t, int page)
{
	KUNIT_ASSERT_EQ(t->vm.test, 0, snp_enter(t, 1));
	KUNIT_ASSERT_EQ(t->vm.test, 0,
			snp_model_rmpadjust(&t->m, 1, page, true));
	snp_model_exit(&t->m, 1);
	t->vcpu[0]->sev_es.snp_guest_vmsa_gpa = page * PAGE_SIZE;
	kvm_make_request(KVM_REQ_VMSA_PAGE_RELOAD, &t->vcpu[0]->vcpu);
}

static void vmsa_moves(struct kunit *test, bool mapped, bool bound)
{
	struct snp_test *t = test->priv;
	u64 pa;

	snp_fill(t, 2);
	snp_use_vmsa(t, 1);
	KUNIT_ASSERT_EQ(test, 0, snp_enter(t, 0));
	pa = snp_pa(t, 1);
	KUNIT_EXPECT_EQ(test, pa, t->m.vcpu[0].vmsa);
	if (!mapped)
		*gmem_test_spte(&t->vm, 1) = 0;
	if (!bound)
		gmem_test_unbind(&t->vm);

	/* The vCPU is inside, and hardware has it. */
	KUNIT_EXPECT_EQ(test, 0, snp_move(t, 1, 1));
	if (!bound) {
		/* What has removed the memslot asked for it. */
		kvm_make_request(KVM_REQ_VMSA_PAGE_RELOAD, &t->vcpu[0]->vcpu);
		gmem_test_bind(&t->vm);
	}
	KUNIT_EXPECT_NE(test, pa, snp_pa(t, 1));
	KUNIT_EXPECT_FALSE(test, t->m.vcpu[0].inside);
	snp_expect_freed(t, pa);

	KUNIT_EXPECT_EQ(test, 0, snp_enter(t, 0));
	KUNIT_EXPECT_EQ(test, snp_pa(t, 1), t->m.vcpu[0].vmsa);
	snp_model_exit(&t->m, 0);
	snp_expect_sane(t, 2);
}

static void vmsa_in_use_moves(struct kunit *test)
{
	vmsa_moves(test, true, true);
}

static void vmsa_in_use_moves_without_an_spte(struct kunit *test)
{
	vmsa_moves(test, false, true);
}

static void vmsa_in_use_moves_when_it_is_not_bound(struct kunit *test)
{
	vmsa_moves(test, false, false);
}

/* Staying */

static void snp_expect_stays(struct snp_test *t)
{
	u64 pa = snp_pa(t, 0);

	KUNIT_EXPECT_LT(t->vm.test, 0, snp_move(t, 0, 1));
	KUNIT_EXPECT_EQ(t->vm.test, pa, snp_pa(t, 0));
}

/* What kept it is gone. */
static void snp_expect_moves(struct snp_test *t)
{
	u64 pa = snp_pa(t, 0);

	snp_expect_sane(t, 1);
	snp_expect_all_freed(t);
	KUNIT_EXPECT_EQ(t->vm.test, 0, snp_move(t, 0, 1));
	KUNIT_EXPECT_NE(t->vm.test, pa, snp_pa(t, 0));
	snp_expect_sane(t, 1);
	snp_expect_all_freed(t);
}

static void fault_in_flight_keeps_it(struct kunit *test)
{
	struct snp_test *t = test->priv;

	snp_fill(t, 1);
	gmem_test_hold(&t->vm, 0);
	snp_expect_stays(t);
	KUNIT_EXPECT_EQ(test, 0, t->m.rmpupdates);
	gmem_test_let_go(&t->vm);
	snp_expect_moves(t);
}

/* Somebody takes a reference between the firmware and the page cache. */
static void hold_source(struct snp_model *m, u64 src, u64 dst)
{
	struct snp_test *t = container_of(m, struct snp_test, m);

	gmem_test_hold(&t->vm, 0);
}

static void freeze_that_fails_after_the_firmware(struct kunit *test)
{
	struct snp_test *t = test->priv;

	snp_fill(t, 1);
	t->m.moved = hold_source;
	snp_expect_stays(t);
	/* There, and back. */
	KUNIT_EXPECT_EQ(test, 2, t->m.calls[SEV_CMD_SNP_PAGE_MOVE]);
	snp_expect_freed(t, destination);

	t->m.moved = NULL;
	gmem_test_let_go(&t->vm);
	snp_expect_moves(t);
}

/* The way back is closed, too: nobody gets either page. */
static void hold_source_and_die(struct snp_model *m, u64 src, u64 dst)
{
	hold_source(m, src, dst);
	m->dead = true;
}

/* A page that was left to nobody is the host's, without the references. */
static void snp_recover(struct snp_test *t, struct folio *folio, int refs)
{
	struct snp_model_page *page;

	page = snp_model_page(&t->m, PFN_PHYS(folio_pfn(folio)));
	page->assigned = false;
	page->validated = false;
	page->immutable = false;
	page->cached = false;
	lru_add_drain_all();
	KUNIT_ASSERT_EQ(t->vm.test, (folio->mapping ? 1 : 0) + refs,
			folio_ref_count(folio));
	folio_put_refs(folio, refs);
}

static void page_that_cannot_go_back_is_leaked(struct kunit *test)
{
	struct snp_test *t = test->priv;
	struct folio *src;

	snp_fill(t, 1);
	src = gmem_test_folio(&t->vm, 0);
	t->m.moved = hold_source_and_die;
	KUNIT_EXPECT_EQ(test, 1, snp_move(t, 0, 1));
	KUNIT_EXPECT_PTR_EQ(test, src, gmem_test_folio(&t->vm, 0));
	/* The guest has lost a page, and does not go on without it. */
	KUNIT_EXPECT_TRUE(test, t->vm.kvm->vm_dead);

	gmem_test_let_go(&t->vm);
	snp_recover(t, pfn_folio(PHYS_PFN(destination)), 2);
	snp_recover(t, src, 1);
}

/* Firmware answers, but does not take the page back. */
static void hold_source_and_refuse(struct snp_model *m, u64 src, u64 dst)
{
	hold_source(m, src, dst);
	m->fail[SEV_CMD_SNP_PAGE_MOVE] = SEV_RET_HWSEV_RET_UNSAFE;
}

static void guest_that_has_lost_a_page_is_dead(struct kunit *test)
{
	struct snp_test *t = test->priv;
	struct folio *src;

	snp_fill(t, 1);
	src = gmem_test_folio(&t->vm, 0);
	t->m.moved = hold_source_and_refuse;
	KUNIT_EXPECT_EQ(test, 1, snp_move(t, 0, 1));
	KUNIT_EXPECT_EQ(test, 2, t->m.calls[SEV_CMD_SNP_PAGE_MOVE]);
	KUNIT_EXPECT_PTR_EQ(test, src, gmem_test_folio(&t->vm, 0));
	KUNIT_EXPECT_TRUE(test, t->vm.kvm->vm_dead);
	/* Nobody gets what it was. */
	KUNIT_EXPECT_EQ(test, SNP_MODEL_GUEST_VALID, snp_state(t, destination));
	snp_recover(t, pfn_folio(PHYS_PFN(destination)), 1);
}

/*
 * Every status that the firmware can have for a page that KVM has it move, and
 * what becomes of it.
 */
struct status_param {
	const char *name;
	int status;
	void (*set)(struct snp_model *m, bool on);
};

static void set_platform(struct snp_model *m, bool on)
{
	m->platform_init = !on;
}

static void set_rmp_table(struct snp_model *m, bool on)
{
	snp_model_page(m, destination)->rmp_table = on;
}

static void set_no_context(struct snp_model *m, bool on)
{
	snp_model_page(m, m->gctx)->vmsa = !on;
}

static void set_large(struct snp_model *m, bool on)
{
	snp_model_page(m, destination)->large = on;
}

static void set_guest_state(struct snp_model *m, bool on)
{
	m->guest_state = on ? SNP_MODEL_INIT : SNP_MODEL_RUNNING;
}

static void set_inactive(struct snp_model *m, bool on)
{
	m->asid_active = !on;
}

static void set_owner(struct snp_model *m, bool on)
{
	snp_model_page(m, destination)->asid = on ? ASID + 1 : ASID;
}

static void set_page_state(struct snp_model *m, bool on)
{
	snp_model_page(m, destination)->immutable = !on;
}

static void set_policy(struct snp_model *m, bool on)
{
	m->policy = on ? SNP_POLICY_MASK_PAGE_SWAP_DISABLE : 0;
}

static const struct status_param statuses[] = {
	{ "platform not initialized", SEV_RET_INVALID_PLATFORM_STATE,
	  set_platform },
	{ "target in the RMP", SEV_RET_INVALID_PARAM, set_rmp_table },
	{ "no context", SEV_RET_INVALID_GUEST, set_no_context },
	{ "target in a large page", SEV_RET_INVALID_PAGE_SIZE, set_large },
	{ "guest not launched", SEV_RET_INVALID_GUEST_STATE, set_guest_state },
	{ "ASID not active", SEV_RET_INACTIVE, set_inactive },
	{ "target of another guest", SEV_RET_INVALID_PAGE_OWNER, set_owner },
	{ "target not immutable", SEV_RET_INVALID_PAGE_STATE, set_page_state },
	{ "policy", SEV_RET_POLICY_FAILURE, set_policy },
};

KUNIT_ARRAY_PARAM_DESC(status, statuses, name);

static const struct status_param *status_now;
static int status_seen;

/* It is so just while the page is to be moved. */
static int command_and_look(int cmd, void *data, int *psp_ret)
{
	struct snp_test *t = current_snp();
	int r;

	if (cmd != SEV_CMD_SNP_PAGE_MOVE)
		return command_model(cmd, data, psp_ret);
	status_now->set(&t->m, true);
	r = command_model(cmd, data, psp_ret);
	status_now->set(&t->m, false);
	status_seen = *psp_ret;
	return r;
}

static void status_is_coped_with(struct kunit *test)
{
	const struct status_param *p = test->param_value;
	struct snp_test *t = test->priv;

	snp_fill(t, 1);
	status_now = p;
	status_seen = 0;
	kunit_activate_static_stub(test, __sev_do_cmd_locked, command_and_look);
	snp_expect_stays(t);
	kunit_activate_static_stub(test, __sev_do_cmd_locked, command_model);
	KUNIT_EXPECT_EQ(test, p->status, status_seen);
	KUNIT_EXPECT_EQ(test, 2 * t->m.calls[SEV_CMD_SNP_PAGE_MOVE],
			t->m.calls[SEV_CMD_SNP_PAGE_RECLAIM]);
	snp_expect_freed(t, destination);
	snp_expect_moves(t);
}

/* Something fails once, and the page moves by the next try. */
static void snp_expect_second_try(struct snp_test *t, int reclaims)
{
	u64 pa = snp_pa(t, 0);

	KUNIT_EXPECT_EQ(t->vm.test, 0, snp_move(t, 0, 1));
	KUNIT_EXPECT_NE(t->vm.test, pa, snp_pa(t, 0));
	KUNIT_EXPECT_EQ(t->vm.test, reclaims,
			t->m.calls[SEV_CMD_SNP_PAGE_RECLAIM]);
}

static void rmpupdate_fails(struct snp_test *t, int nth, int reclaims)
{
	snp_fill(t, 1);
	t->m.rmpupdate_fails_in = nth;
	t->m.rmpupdate_fails_with = SNP_MODEL_FAIL_PERMISSION;
	snp_expect_second_try(t, reclaims);
	KUNIT_EXPECT_EQ(t->vm.test, 1, t->m.calls[SEV_CMD_SNP_PAGE_MOVE]);
	snp_expect_moves(t);
}

static void source_that_cannot_be_prepared_is_left_alone(struct kunit *test)
{
	rmpupdate_fails(test->priv, 2, 1);
}

static void destination_that_cannot_be_prepared_is_not_used(struct kunit *test)
{
	rmpupdate_fails(test->priv, 1, 0);
}

/* They may be waiting for a folio that is locked here. */
static void commands_of_others_are_not_waited_for(struct kunit *test)
{
	struct snp_test *t = test->priv;

	snp_fill(t, 1);
	KUNIT_ASSERT_TRUE(test, sev_cmd_trylock());
	KUNIT_EXPECT_EQ(test, 1, gmem_test_move(&t->vm, 0, 1, new_folio, 0));
	sev_cmd_unlock();
	KUNIT_EXPECT_EQ(test, 0, t->m.rmpupdates);
	snp_expect_moves(t);
}

/* It would not be ordinary memory. */
static void source_that_cannot_be_shared_is_not_freed(struct kunit *test)
{
	struct snp_test *t = test->priv;
	struct folio *src;

	snp_fill(t, 1);
	src = gmem_test_folio(&t->vm, 0);
	t->m.rmpupdate_fails_in = 3;
	t->m.rmpupdate_fails_with = SNP_MODEL_FAIL_PERMISSION;
	KUNIT_EXPECT_EQ(test, 0, snp_move(t, 0, 1));
	KUNIT_EXPECT_PTR_NE(test, src, gmem_test_folio(&t->vm, 0));
	KUNIT_EXPECT_EQ(test, 1, folio_ref_count(src));
	snp_recover(t, src, 1);
	snp_expect_moves(t);
}

static void destination_that_cannot_be_reclaimed_is_leaked(struct kunit *test)
{
	struct snp_test *t = test->priv;
	struct folio *dst;

	snp_fill(t, 1);
	t->m.fail[SEV_CMD_SNP_PAGE_MOVE] = SEV_RET_HWSEV_RET_PLATFORM;
	t->m.fail[SEV_CMD_SNP_PAGE_RECLAIM] = SEV_RET_HWSEV_RET_PLATFORM;
	snp_expect_second_try(t, 2);
	dst = pfn_folio(PHYS_PFN(destination));
	KUNIT_EXPECT_EQ(test, 1, folio_ref_count(dst));
	snp_recover(t, dst, 1);
	snp_expect_moves(t);
}

static void firmware_that_cannot_move_is_asked_once(struct kunit *test)
{
	struct snp_test *t = test->priv;

	snp_fill(t, 2);
	t->m.fail[SEV_CMD_SNP_PAGE_MOVE] = SEV_RET_INVALID_COMMAND;
	KUNIT_EXPECT_EQ(test, 2, snp_move(t, 0, 2));
	KUNIT_EXPECT_EQ(test, 2, snp_move(t, 0, 2));
	KUNIT_EXPECT_EQ(test, 1, t->m.calls[SEV_CMD_SNP_PAGE_MOVE]);
	KUNIT_EXPECT_TRUE(test, mapping_unmovable(t->vm.file->f_mapping));
	snp_expect_sane(t, 2);
	snp_expect_all_freed(t);
}

/* A destination that the RMP does not know, as of memory added later. */
static struct folio *new_folio_out_of_rmp(struct folio *src,
					  unsigned long private)
{
	struct folio *dst = new_folio(src, private);

	if (dst)
		snp_model_page(&current_snp()->m,
			       PFN_PHYS(folio_pfn(dst)))->no_rmp = true;
	return dst;
}

static void destination_without_an_entry_is_not_used(struct kunit *test)
{
	struct snp_test *t = test->priv;
	struct snp_model_page *page;
	unsigned long pfn;

	snp_fill(t, 1);
	KUNIT_EXPECT_EQ(test, 1, gmem_test_move(&t->vm, 0, 1,
						new_folio_out_of_rmp, 0));
	KUNIT_EXPECT_EQ(test, 0, t->m.rmpupdates);
	xa_for_each(&t->m.pages, pfn, page)
		page->no_rmp = false;
	snp_expect_moves(t);
}

/* Firmware that does not answer any more keeps what it was given. */
static int die_when_asked_to_move(int cmd, void *data, int *psp_ret)
{
	if (cmd == SEV_CMD_SNP_PAGE_MOVE)
		current_snp()->m.dead = true;
	return command_model(cmd, data, psp_ret);
}

static void guest_does_not_survive_the_firmware(struct kunit *test)
{
	struct snp_test *t = test->priv;
	struct folio *src;

	snp_fill(t, 1);
	src = gmem_test_folio(&t->vm, 0);
	kunit_activate_static_stub(test, __sev_do_cmd_locked, die_when_asked_to_move);
	KUNIT_EXPECT_EQ(test, 1, snp_move(t, 0, 1));
	KUNIT_EXPECT_TRUE(test, t->vm.kvm->vm_dead);
	KUNIT_EXPECT_PTR_EQ(test, src, gmem_test_folio(&t->vm, 0));
	snp_recover(t, pfn_folio(PHYS_PFN(destination)), 1);
	snp_recover(t, src, 1);
}

static void spoil_and_expect_stays(struct snp_test *t,
				   void (*spoil)(struct snp_model_page *p,
						 bool on))
{
	struct snp_model_page *page;

	snp_fill(t, 1);
	page = snp_model_page(&t->m, snp_pa(t, 0));
	spoil(page, true);
	snp_expect_stays(t);
	KUNIT_EXPECT_EQ(t->vm.test, 0, t->m.calls[SEV_CMD_SNP_PAGE_MOVE]);
	spoil(page, false);
	snp_expect_moves(t);
}

static void spoil_size(struct snp_model_page *p, bool on)
{
	p->large = on;
}

static void spoil_owner(struct snp_model_page *p, bool on)
{
	p->asid = on ? ASID + 1 : ASID;
}

/* Large pages do not exist yet: refused. */
static void large_page_stays(struct kunit *test)
{
	spoil_and_expect_stays(test->priv, spoil_size);
}

static void page_of_another_guest_stays(struct kunit *test)
{
	spoil_and_expect_stays(test->priv, spoil_owner);
}

static void policy_may_forbid_moving(struct kunit *test)
{
	struct snp_test *t = test->priv;
	struct kvm *kvm = t->vm.kvm;

	snp_fill(t, 1);
	KUNIT_EXPECT_EQ(test, 0, snp_honour_policy(kvm, 0));
	snp_expect_moves(t);
	memset(t->m.calls, 0, sizeof(t->m.calls));

	KUNIT_EXPECT_EQ(test, 0,
			snp_honour_policy(kvm, SNP_POLICY_MASK_PAGE_SWAP_DISABLE));
	snp_expect_stays(t);
	KUNIT_EXPECT_EQ(test, 0, t->m.calls[SEV_CMD_SNP_PAGE_MOVE]);
	KUNIT_EXPECT_FALSE(test, kvm_gmem_get_supported_flags(kvm) &
			   GUEST_MEMFD_FLAG_MOVABLE);
}

static void memory_moves_only_with_the_flag(struct kunit *test)
{
	struct snp_test *t = test->priv;

	gmem_test_expect_opt_in(&t->vm);
}

/*
 * The adversary: at random, guests access and validate memory, the host moves,
 * unmaps and frees it, firmware and RMPUPDATE refuse, and references are held.
 * The guest must always read what it wrote last, and KVM must not make a mistake
 * that hardware or firmware would not forgive.
 */
static unsigned int snp_test_steps = 3000;
module_param(snp_test_steps, uint, 0644);
MODULE_PARM_DESC(snp_test_steps, "steps of snp_move's adversary");
static unsigned int snp_test_seed;
module_param(snp_test_seed, uint, 0644);
MODULE_PARM_DESC(snp_test_seed, "its seed, 0 for another each time");

#define PLAYGROUND	32
#define VMSA		(PLAYGROUND - 1)	/* vCPU 0's */

struct adversary {
	struct snp_test *t;
	struct rnd_state rnd;
	u64 value[PLAYGROUND];
	bool validated[PLAYGROUND];
	unsigned int moved, stayed;
};

static u32 below(struct adversary *a, u32 end)
{
	return prandom_u32_state(&a->rnd) % end;
}

static void adversary_access(struct adversary *a, int vcpu, int page)
{
	struct kunit *test = a->t->vm.test;
	struct snp_test *t = a->t;
	u64 value = 0;
	int r;

	r = snp_enter(t, vcpu);
	KUNIT_EXPECT_TRUE(test, !r || r == -EBUSY);
	r = snp_read(t, vcpu, page, &value);
	if (r == -EACCES) {
		KUNIT_EXPECT_FALSE(test, a->validated[page]);
		KUNIT_EXPECT_EQ(test, 0, snp_model_pvalidate(&t->m, vcpu, page));
		a->validated[page] = true;
	} else {
		KUNIT_EXPECT_EQ(test, 0, r);
		KUNIT_EXPECT_TRUE(test, a->validated[page]);
		KUNIT_EXPECT_EQ(test, a->value[page], value);
	}
	a->value[page] = prandom_u32_state(&a->rnd);
	KUNIT_EXPECT_EQ(test, 0,
			snp_model_write(&t->m, vcpu, page, a->value[page]));
}

static void adversary_move(struct adversary *a, int page)
{
	int nr = 1 + below(a, min(8, PLAYGROUND - page));
	int i, stayed;

	for (i = page; i < page + nr; i++)
		if (!gmem_test_folio(&a->t->vm, i))
			return;
	stayed = snp_move(a->t, page, nr);
	a->stayed += stayed;
	a->moved += nr - stayed;
}

/* Who frees memory is not refused, as KVM would not get over it. */
static void adversary_refuse(struct adversary *a, int page)
{
	struct snp_model *m = &a->t->m;

	if (below(a, 2)) {
		m->fail[SEV_CMD_SNP_PAGE_MOVE] = SEV_RET_HWSEV_RET_UNSAFE;
	} else {
		m->rmpupdate_fails_in = 1 + below(a, 2);
		m->rmpupdate_fails_with = SNP_MODEL_FAIL_INPUT +
			below(a, SNP_MODEL_FAIL_OVERLAP);
	}
	adversary_move(a, page);
	m->fail[SEV_CMD_SNP_PAGE_MOVE] = 0;
	m->rmpupdate_fails_in = 0;
}

static void adversary_punch(struct adversary *a, int page)
{
	struct gmem_test_vm *vm = &a->t->vm;

	if (page == VMSA || (vm->held && vm->held == gmem_test_folio(vm, page)))
		return;
	gmem_test_punch(vm, page, 1);
	a->validated[page] = false;
}

static void adversary_unmap(struct adversary *a, int page)
{
	*gmem_test_spte(&a->t->vm, page) = 0;
	snp_model_kick(&a->t->m);
}

/* Before or after it is moved, but also in the middle. */
static void adversary_hold(struct adversary *a, int page)
{
	struct snp_test *t = a->t;

	if (t->vm.held || t->m.moved) {
		gmem_test_let_go(&t->vm);
		t->m.moved = NULL;
	} else if (below(a, 2)) {
		gmem_test_hold(&t->vm, page);
	} else {
		t->m.moved = hold_source;
	}
}

static void adversary_step(struct adversary *a)
{
	int page = below(a, PLAYGROUND);
	int vcpu = below(a, SNP_MODEL_VCPUS);

	switch (below(a, 16)) {
	case 0 ... 6:
		adversary_access(a, vcpu, page);
		break;
	case 7 ... 10:
		adversary_move(a, page);
		break;
	case 11:
		adversary_refuse(a, page);
		break;
	case 12:
		adversary_punch(a, page);
		break;
	case 13:
		adversary_unmap(a, page);
		break;
	case 14:
		adversary_hold(a, page);
		break;
	case 15:
		snp_model_exit(&a->t->m, vcpu);
		break;
	}
}

static void adversary_loses(struct kunit *test)
{
	struct adversary *a = kunit_kzalloc(test, sizeof(*a), GFP_KERNEL);
	u32 seed = snp_test_seed ?: get_random_u32();
	struct snp_test *t = test->priv;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, a);
	a->t = t;
	prandom_seed_state(&a->rnd, seed);
	adversary_access(a, 1, VMSA);
	snp_model_exit(&t->m, 1);
	snp_use_vmsa(t, VMSA);
	for (i = 0; i < snp_test_steps && !t->m.violation; i++)
		adversary_step(a);
	kunit_info(test, "seed %u, %d steps: %u moved, %u stayed, %u page moves",
		   seed, i, a->moved, a->stayed,
		   t->m.calls[SEV_CMD_SNP_PAGE_MOVE]);
	KUNIT_EXPECT_STREQ(test, "", t->m.violation ?: "");
	KUNIT_EXPECT_FALSE(test, t->vm.kvm->vm_dead);
	if (snp_test_steps >= 1000) {
		KUNIT_EXPECT_LT(test, 0, a->moved);
		KUNIT_EXPECT_LT(test, 0, a->stayed);
	}
	snp_expect_all_freed(t);
}

static struct kunit_case snp_move_cases[] = {
	KUNIT_CASE(one_page_moves),
	KUNIT_CASE(two_pages_move),
	KUNIT_CASE(batch_takes_one_flush),
	KUNIT_CASE(vcpu_inside_is_kicked_out),
	KUNIT_CASE(fault_that_has_the_source_retries),
	KUNIT_CASE(page_that_is_not_validated_moves),
	KUNIT_CASE(page_that_is_not_assigned_moves),
	KUNIT_CASE(page_that_is_not_bound_moves),
	KUNIT_CASE(vmsa_in_use_moves),
	KUNIT_CASE(vmsa_in_use_moves_without_an_spte),
	KUNIT_CASE(vmsa_in_use_moves_when_it_is_not_bound),
	KUNIT_CASE(fault_in_flight_keeps_it),
	KUNIT_CASE(freeze_that_fails_after_the_firmware),
	KUNIT_CASE(page_that_cannot_go_back_is_leaked),
	KUNIT_CASE(guest_that_has_lost_a_page_is_dead),
	KUNIT_CASE_PARAM(status_is_coped_with, status_gen_params),
	KUNIT_CASE(source_that_cannot_be_prepared_is_left_alone),
	KUNIT_CASE(destination_that_cannot_be_prepared_is_not_used),
	KUNIT_CASE(commands_of_others_are_not_waited_for),
	KUNIT_CASE(source_that_cannot_be_shared_is_not_freed),
	KUNIT_CASE(destination_that_cannot_be_reclaimed_is_leaked),
	KUNIT_CASE(firmware_that_cannot_move_is_asked_once),
	KUNIT_CASE(destination_without_an_entry_is_not_used),
	KUNIT_CASE(guest_does_not_survive_the_firmware),
	KUNIT_CASE(large_page_stays),
	KUNIT_CASE(page_of_another_guest_stays),
	KUNIT_CASE(policy_may_forbid_moving),
	KUNIT_CASE(memory_moves_only_with_the_flag),
	KUNIT_CASE(adversary_loses),
	{}
};

static struct kunit_suite snp_move_suite = {
	.name = "snp_move",
	.init = snp_test_init,
	.exit = snp_test_exit,
	.test_cases = snp_move_cases,
};

kunit_test_suite(snp_move_suite);
