// SPDX-License-Identifier: GPL-2.0
/*
 * What the KUnit tests of moving memory that firmware guards have in common.
 */
#include <kunit/test.h>
#include <linux/falloc.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/kvm_host.h>
#include <linux/pagemap.h>
#include <linux/swap.h>

#include "../../../../mm/internal.h"
#include "../../../../virt/kvm/guest_memfd.h"
#include "gmem_test_vm.h"
#include "spte.h"

u64 *gmem_test_spte(struct gmem_test_vm *vm, int page)
{
	return &vm->sp[0].spt[page];
}

struct folio *gmem_test_folio(struct gmem_test_vm *vm, int page)
{
	return xa_load(&vm->file->f_mapping->i_pages, page);
}

static void create_page_tables(struct gmem_test_vm *vm)
{
	struct kvm_mmu_page *sp;
	int i;

	for (i = 0; i < GMEM_TEST_LEVELS; i++) {
		sp = &vm->sp[i];
		sp->spt = (u64 *)get_zeroed_page(GFP_KERNEL | __GFP_NOFAIL);
		sp->role.level = i + 1;
		sp->role.is_mirror = kvm_has_mirrored_tdp(vm->kvm);
		sp->role.direct = true;
		sp->tdp_mmu_page = true;
		set_page_private(virt_to_page(sp->spt), (unsigned long)sp);
		if (i)
			sp->spt[0] = __pa(vm->sp[i - 1].spt) |
				     SPTE_MMU_PRESENT_MASK;
	}
	sp = &vm->sp[GMEM_TEST_LEVELS - 1];
	refcount_set(&sp->tdp_mmu_root_count, 1);
	list_add(&sp->link, &vm->kvm->arch.tdp_mmu_roots);
}

static struct file *create_file(struct gmem_test_vm *vm, u64 flags, int pages)
{
	struct kvm_create_guest_memfd args = {
		.size = pages * PAGE_SIZE, .flags = flags,
	};
	int fd = kvm_gmem_create(vm->kvm, &args);
	struct file *file;

	KUNIT_ASSERT_GE(vm->test, fd, 0);
	file = fget(fd);
	close_fd(fd);
	return file;
}

void gmem_test_bind(struct gmem_test_vm *vm)
{
	int fd = get_unused_fd_flags(0);

	KUNIT_ASSERT_GE(vm->test, fd, 0);
	fd_install(fd, get_file(vm->file));
	vm->slot->npages = GMEM_TEST_PAGES;
	vm->slot->flags = KVM_MEM_GUEST_MEMFD;
	KUNIT_ASSERT_EQ(vm->test, 0,
			kvm_gmem_prepare_memory_region(vm->kvm, vm->slot, fd,
						       0));
	KUNIT_ASSERT_EQ(vm->test, 0,
			kvm_gmem_commit_memory_region(vm->kvm, vm->slot));
	fput(vm->slot->gmem.file);
	close_fd(fd);
}

void gmem_test_unbind(struct gmem_test_vm *vm)
{
	kvm_gmem_unbind(vm->slot);
}

void gmem_test_allocate(struct gmem_test_vm *vm, int start, int nr)
{
	KUNIT_ASSERT_EQ(vm->test, 0,
			vm->file->f_op->fallocate(vm->file,
						  FALLOC_FL_KEEP_SIZE,
						  start * PAGE_SIZE,
						  nr * PAGE_SIZE));
}

void gmem_test_punch(struct gmem_test_vm *vm, int start, int nr)
{
	KUNIT_ASSERT_EQ(vm->test, 0,
			vm->file->f_op->fallocate(vm->file,
						  FALLOC_FL_KEEP_SIZE |
						  FALLOC_FL_PUNCH_HOLE,
						  start * PAGE_SIZE,
						  nr * PAGE_SIZE));
}

/* Move [@start, @start + @nr) as compaction does.  Returns how many stayed. */
int gmem_test_move(struct gmem_test_vm *vm, int start, int nr,
		   new_folio_t *new_folio, unsigned long private)
{
	LIST_HEAD(list);
	int i, ret;

	lru_add_drain_all();
	for (i = start; i < start + nr; i++) {
		struct folio *folio = gmem_test_folio(vm, i);

		folio_get(folio);
		KUNIT_EXPECT_TRUE(vm->test,
				  isolate_folio_to_list(folio, &list));
		folio_put(folio);
	}
	ret = migrate_pages(&list, new_folio, NULL, private, MIGRATE_SYNC,
			    MR_COMPACTION, NULL);
	putback_movable_pages(&list);
	return ret;
}

void gmem_test_hold(struct gmem_test_vm *vm, int page)
{
	if (vm->held)
		return;

	vm->held = gmem_test_folio(vm, page);
	if (vm->held)
		folio_get(vm->held);
}

void gmem_test_let_go(struct gmem_test_vm *vm)
{
	if (vm->held)
		folio_put(vm->held);
	vm->held = NULL;
}

void gmem_test_expect_refused(struct gmem_test_vm *vm, u64 flags)
{
	struct kvm_create_guest_memfd args = {
		.size = PAGE_SIZE, .flags = flags,
	};

	KUNIT_EXPECT_EQ(vm->test, -EINVAL, kvm_gmem_create(vm->kvm, &args));
}

/*
 * What firmware guards moves if the flag says so, and is never swapped; with
 * "always" in /sys/kernel/mm/memfile/movable, too.
 */
void gmem_test_expect_opt_in(struct gmem_test_vm *vm)
{
	u64 flags = kvm_gmem_get_supported_flags(vm->kvm);
	struct kunit *test = vm->test;
	struct file *file;

	KUNIT_EXPECT_TRUE(test, flags & GUEST_MEMFD_FLAG_MOVABLE);
	KUNIT_EXPECT_FALSE(test, flags & GUEST_MEMFD_FLAG_SWAPPABLE);
	KUNIT_EXPECT_FALSE(test, mapping_unmovable(vm->file->f_mapping));
	KUNIT_EXPECT_TRUE(test, mapping_unevictable(vm->file->f_mapping));

	gmem_test_expect_refused(vm, GUEST_MEMFD_FLAG_SWAPPABLE);

	file = create_file(vm, 0, 1);
	KUNIT_EXPECT_TRUE(test, mapping_unmovable(file->f_mapping));
	__fput_sync(file);
}

void gmem_test_init(struct gmem_test_vm *vm, struct kunit *test,
		    struct kvm *kvm, unsigned long type)
{
	vm->test = test;
	vm->kvm = kvm;
	vm->slot = kunit_kzalloc(test, sizeof(*vm->slot), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, vm->slot);

	rwlock_init(&kvm->mmu_lock);
	mutex_init(&kvm->lock);
	mutex_init(&kvm->slots_lock);
	xa_init(&kvm->vcpu_array);
	INIT_LIST_HEAD(&kvm->arch.tdp_mmu_roots);
	/* Never falls to 0: what destroys a VM wants a real one. */
	refcount_set(&kvm->users_count, 2);
	kvm->arch.vm_type = type;

	create_page_tables(vm);
	vm->file = create_file(vm, GUEST_MEMFD_FLAG_MOVABLE, GMEM_TEST_PAGES);
	gmem_test_bind(vm);
}

void gmem_test_exit(struct gmem_test_vm *vm)
{
	int i;

	gmem_test_let_go(vm);
	gmem_test_punch(vm, 0, GMEM_TEST_PAGES);
	gmem_test_unbind(vm);
	__fput_sync(vm->file);
	for (i = 0; i < GMEM_TEST_LEVELS; i++) {
		set_page_private(virt_to_page(vm->sp[i].spt), 0);
		free_page((unsigned long)vm->sp[i].spt);
	}
}
