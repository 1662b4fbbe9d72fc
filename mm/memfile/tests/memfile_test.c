// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of memfile, on a file system and with consumers of their own.
 *
 * Moves go through mm/migrate.c.  A consumer is a toy virtual machine with a
 * page table and a TLB, so that a translation or a TLB entry that survived a
 * move would show.  Cases that lock or isolate a folio do not assert before
 * they have given it back, as freeing the file waits for it.
 *
 * That waiting for invalidate_lock under a folio lock is reported cannot be
 * tested, as the report would be a failure: the consumer checks instead that
 * its operations run with memfile_folio_lock_map held, and memfile_punch()
 * teaches lockdep the order.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs_context.h>
#include <linux/fs_struct.h>
#include <linux/highmem.h>
#include <linux/iopoll.h>
#include <linux/kernfs.h>
#include <linux/kthread.h>
#include <linux/memcontrol.h>
#include <linux/memfile.h>
#include <linux/migrate.h>
#include <linux/mman.h>
#include <linux/moduleparam.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/pseudo_fs.h>
#include <linux/seq_file.h>
#include <linux/swap.h>
#include <linux/syscalls.h>
#include <linux/sysfs.h>
#include <linux/vmalloc.h>

#include "../../internal.h"
#include "../../swap.h"
#include "../internal.h"

#define TEST_PAGES	8

/* The file system */

struct test_file {
	struct kunit *test;
	struct inode *inode;
	struct address_space *mapping;
	struct memfile mf;
};

static struct vfsmount *test_mnt;

/* What free_folio was called for since the last file was created. */
static struct folio *last_freed;
static unsigned int nr_freed;

static void test_free_folio(struct folio *folio)
{
	last_freed = folio;
	nr_freed++;
}

static const struct address_space_operations test_aops = {
	.dirty_folio		= noop_dirty_folio,
	.migrate_folio		= memfile_migrate_folio,
	.error_remove_folio	= memfile_error_remove_folio,
	.free_folio		= test_free_folio,
};

static const struct super_operations test_super_operations = {
	.statfs			= simple_statfs,
	.evict_inode		= memfile_evict_inode,
};

static int test_init_fs_context(struct fs_context *fc)
{
	struct pseudo_fs_context *ctx = init_pseudo(fc, 0x6d656d66);

	if (!ctx)
		return -ENOMEM;

	ctx->ops = &test_super_operations;
	return 0;
}

static struct file_system_type test_fs = {
	.name			= "memfile_test",
	.init_fs_context	= test_init_fs_context,
	.kill_sb		= kill_anon_super,
};

static int test_suite_init(struct kunit_suite *suite)
{
	test_mnt = kern_mount(&test_fs);
	return PTR_ERR_OR_ZERO(test_mnt);
}

static void test_suite_exit(struct kunit_suite *suite)
{
	kern_unmount(test_mnt);
}

static void file_release(void *data)
{
	struct test_file *file = data;

	mpol_free_shared_policy(&file->mf.policy);
	iput(file->inode);
}

static struct test_file *
file_create_on(struct kunit *test, const struct memfile_backing_store *store,
	       unsigned long asked)
{
	struct test_file *file = kunit_kzalloc(test, sizeof(*file), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, file);
	file->test = test;
	file->inode = new_inode(test_mnt->mnt_sb);
	KUNIT_ASSERT_NOT_NULL(test, file->inode);
	file->mapping = file->inode->i_mapping;
	file->mapping->a_ops = &test_aops;

	mpol_shared_policy_init(&file->mf.policy, NULL);
	memfile_init(&file->mf, file->mapping, store, asked);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, file_release, file));
	last_freed = NULL;
	nr_freed = 0;
	return file;
}

static struct test_file *file_create(struct kunit *test, unsigned long asked)
{
	return file_create_on(test, &memfile_page_store, asked);
}

/* 0 if @index is absent. */
static unsigned long file_pfn(struct test_file *file, pgoff_t index)
{
	struct folio *folio = filemap_get_folio(file->mapping, index);
	unsigned long pfn;

	if (IS_ERR(folio))
		return 0;

	pfn = folio_pfn(folio);
	folio_put(folio);
	return pfn;
}

static void file_expect_movable(struct test_file *file, bool movable)
{
	KUNIT_EXPECT_EQ(file->test, file->mf.caps,
			movable ? MEMFILE_CAP_MOVE : 0);
	KUNIT_EXPECT_EQ(file->test, mapping_unmovable(file->mapping), !movable);
	KUNIT_EXPECT_TRUE(file->test,
			  mapping_gfp_mask(file->mapping) ==
			  (movable ? GFP_HIGHUSER_MOVABLE : GFP_HIGHUSER));
	KUNIT_EXPECT_TRUE(file->test, mapping_inaccessible(file->mapping));
	KUNIT_EXPECT_TRUE(file->test, mapping_unevictable(file->mapping));
}

static void file_expect_fdinfo(struct test_file *file, const char *caps,
			       unsigned long resident, unsigned long migrated)
{
	char text[256], expected[256];
	struct seq_file m = { .buf = text, .size = sizeof(text) };

	memfile_show_fdinfo(&m, &file->mf);
	text[m.count] = '\0';
	snprintf(expected, sizeof(expected),
		 "memfile-caps:\t%s\nmemfile-resident:\t%lu kB\n"
		 "memfile-swapped:\t0 kB\nmemfile-migrated:\t%lu\n"
		 "memfile-swapin:\t0\nmemfile-swapout:\t0\n",
		 caps, resident * PAGE_SIZE / SZ_1K, migrated);
	KUNIT_EXPECT_STREQ(file->test, text, expected);
}

/* The consumer */

enum test_op {
	OP_UNMAP,
	OP_FLUSH,
	OP_UNBLOCK,
	OP_RELOCATE,
	OP_RELEASE,
};

struct test_vm {
	struct memfile_notifier n;
	struct kunit *test;
	struct test_file *file;

	/* PFN by index, or 0. */
	unsigned long pte[TEST_PAGES];
	unsigned long tlb[TEST_PAGES];
	bool accessed[TEST_PAGES];
	bool blocked[TEST_PAGES];

	/* What it is told to do: @hook runs at the beginning of @hook_op. */
	unsigned long caps;
	int relocate_error;
	bool stays_relocated;	/* going back fails */
	bool release_fails;
	enum test_op hook_op;
	void (*hook)(struct test_vm *vm);
	struct folio *hook_folio;
	struct task_struct *hook_task;
	struct completion hook_entered;
	bool hook_left;

	/* Flushing needs no locks then. */
	bool registering;

	/* What it was asked for. */
	unsigned int unmaps;
	unsigned int flushes;
	unsigned int blocks;
	unsigned int relocates;
	struct folio *released;
	struct folio *relocated_to;
	unsigned int invalidates;
	pgoff_t invalidate_start;
	pgoff_t invalidate_end;
	bool invalidating;
};

static struct test_vm *to_vm(struct memfile_notifier *n)
{
	return container_of(n, struct test_vm, n);
}

static void vm_enter_op(struct test_vm *vm, enum test_op op)
{
	KUNIT_EXPECT_TRUE(vm->test, srcu_read_lock_held(&memfile_srcu));
#ifdef CONFIG_LOCKDEP
	KUNIT_EXPECT_TRUE(vm->test, lock_is_held(&memfile_folio_lock_map));
#endif
	if (vm->hook && op == vm->hook_op)
		vm->hook(vm);
}

static unsigned long vm_caps(struct memfile_notifier *n)
{
	return to_vm(n)->caps;
}

static void vm_invalidate_start(struct memfile_notifier *n, pgoff_t start,
				pgoff_t end)
{
	struct test_vm *vm = to_vm(n);
	pgoff_t index;

	KUNIT_EXPECT_FALSE(vm->test, vm->invalidating);
	vm->invalidating = true;
	vm->invalidate_start = start;
	vm->invalidate_end = end;

	for (index = start; index < end; index++) {
		vm->pte[index] = 0;
		vm->tlb[index] = 0;
	}
}

static void vm_invalidate_end(struct memfile_notifier *n, pgoff_t start,
			      pgoff_t end)
{
	struct test_vm *vm = to_vm(n);

	KUNIT_EXPECT_TRUE(vm->test, vm->invalidating);
	KUNIT_EXPECT_EQ(vm->test, start, vm->invalidate_start);
	KUNIT_EXPECT_EQ(vm->test, end, vm->invalidate_end);
	vm->invalidating = false;
	vm->invalidates++;
}

static void vm_unmap(struct memfile_notifier *n, pgoff_t start, pgoff_t end)
{
	struct test_vm *vm = to_vm(n);
	pgoff_t index;

	vm_enter_op(vm, OP_UNMAP);
	vm->unmaps++;

	for (index = start; index < end; index++)
		vm->pte[index] = 0;
}

static void vm_flush(struct memfile_notifier *n)
{
	struct test_vm *vm = to_vm(n);

	if (!vm->registering)
		vm_enter_op(vm, OP_FLUSH);
	/* Being asked again costs a consumer next to nothing. */
	if (!memcmp(vm->tlb, vm->pte, sizeof(vm->tlb)))
		return;
	vm->flushes++;
	memcpy(vm->tlb, vm->pte, sizeof(vm->tlb));
}

static bool vm_young(struct memfile_notifier *n, pgoff_t start, pgoff_t end)
{
	struct test_vm *vm = to_vm(n);
	bool young = false;

	for (; start < end; start++) {
		young |= vm->accessed[start];
		vm->accessed[start] = false;
	}
	return young;
}

/* Whether the VM's page table or TLB has @pfn. */
static bool vm_maps(struct test_vm *vm, unsigned long pfn)
{
	pgoff_t index;

	for (index = 0; index < TEST_PAGES; index++) {
		if (vm->pte[index] == pfn || vm->tlb[index] == pfn)
			return true;
	}
	return false;
}

/* Memory of a sealed VM depends on its PFN, and only firmware can copy it. */
static u64 vm_seal(struct test_vm *vm, unsigned long pfn)
{
	return vm->n.ops->relocate ? pfn : 0;
}

static void vm_block(struct memfile_notifier *n, pgoff_t start, pgoff_t end)
{
	struct test_vm *vm = to_vm(n);

	vm_unmap(n, start, end);
	vm->blocks++;
	for (; start < end; start++)
		vm->blocked[start] = true;
}

static void vm_unblock(struct memfile_notifier *n, pgoff_t start, pgoff_t end)
{
	struct test_vm *vm = to_vm(n);

	vm_enter_op(vm, OP_UNBLOCK);
	for (; start < end; start++)
		vm->blocked[start] = false;
}

static int vm_release(struct memfile_notifier *n, struct folio *folio)
{
	struct test_vm *vm = to_vm(n);

	vm_enter_op(vm, OP_RELEASE);
	KUNIT_EXPECT_TRUE(vm->test, folio_test_locked(folio));
	vm->released = folio;
	return vm->release_fails ? -EIO : 0;
}

static int vm_relocate(struct memfile_notifier *n, pgoff_t index,
		       struct folio *dst, struct folio *src)
{
	u64 seal = folio_pfn(src) ^ folio_pfn(dst);
	struct test_vm *vm = to_vm(n);
	u64 *from, *to;
	int i;

	vm_enter_op(vm, OP_RELOCATE);
	vm->relocates++;

	KUNIT_EXPECT_TRUE(vm->test, folio_test_locked(src));
	KUNIT_EXPECT_TRUE(vm->test, folio_test_locked(dst));
	/* Who looks @dst up as soon as it is in the file must believe it. */
	KUNIT_EXPECT_TRUE(vm->test, folio_test_uptodate(dst));
	KUNIT_EXPECT_FALSE(vm->test, vm_maps(vm, folio_pfn(src)));
	KUNIT_EXPECT_FALSE(vm->test, vm_maps(vm, folio_pfn(dst)));

	if (vm->relocate_error)
		return vm->relocate_error;
	if (vm->stays_relocated && vm->relocates > 1)
		return -EAGAIN;
	vm->blocked[index] = false;
	vm->relocated_to = dst;

	from = kmap_local_folio(src, 0);
	to = kmap_local_folio(dst, 0);
	for (i = 0; i < PAGE_SIZE / sizeof(*to); i++)
		to[i] = from[i] ^ seal;
	memset(from, 0, PAGE_SIZE);
	kunmap_local(to);
	kunmap_local(from);
	return 0;
}

static const struct memfile_notifier_ops plain_ops = {
	.caps			= vm_caps,
	.invalidate_start	= vm_invalidate_start,
	.invalidate_end		= vm_invalidate_end,
	.unmap			= vm_unmap,
	.flush			= vm_flush,
	.young			= vm_young,
};

static const struct memfile_notifier_ops sealed_ops = {
	.caps			= vm_caps,
	.invalidate_start	= vm_invalidate_start,
	.invalidate_end		= vm_invalidate_end,
	.unmap			= vm_unmap,
	.flush			= vm_flush,
	.young			= vm_young,
	.block			= vm_block,
	.unblock		= vm_unblock,
	.relocate		= vm_relocate,
	.release		= vm_release,
};

static struct test_vm *vm_create(struct test_file *file,
				 const struct memfile_notifier_ops *ops,
				 unsigned long caps)
{
	struct kunit *test = file->test;
	struct test_vm *vm = kunit_kzalloc(test, sizeof(*vm), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, vm);
	vm->n.ops = ops;
	vm->test = test;
	vm->file = file;
	vm->caps = caps;
	init_completion(&vm->hook_entered);
	return vm;
}

static void vm_unregister(void *data)
{
	struct test_vm *vm = data;

	vm->registering = true;
	memfile_notifier_unregister(&vm->n);
}

static int vm_register(struct test_vm *vm)
{
	int ret;

	vm->registering = true;
	ret = memfile_notifier_register(&vm->file->mf, &vm->n);
	vm->registering = false;

	return ret ?: kunit_add_action_or_reset(vm->test, vm_unregister, vm);
}

static struct test_vm *vm_attach(struct test_file *file,
				 const struct memfile_notifier_ops *ops,
				 unsigned long caps)
{
	struct test_vm *vm = vm_create(file, ops, caps);

	KUNIT_ASSERT_EQ(file->test, vm_register(vm), 0);
	return vm;
}

static void vm_detach(struct test_vm *vm)
{
	kunit_release_action(vm->test, vm_unregister, vm);
}

static int vm_fault(struct test_vm *vm, pgoff_t index)
{
	struct folio *folio = memfile_get_folio(&vm->file->mf, index,
						TASK_UNINTERRUPTIBLE);

	if (IS_ERR(folio))
		return PTR_ERR(folio);

	if (!folio_test_uptodate(folio)) {
		folio_zero_range(folio, 0, folio_size(folio));
		folio_mark_uptodate(folio);
	}
	folio_unlock(folio);

	vm->pte[index] = folio_pfn(folio);
	folio_put(folio);
	return 0;
}

static unsigned long vm_translate(struct test_vm *vm, pgoff_t index)
{
	if (!vm->tlb[index]) {
		if (!vm->pte[index])
			KUNIT_ASSERT_EQ(vm->test, vm_fault(vm, index), 0);
		vm->tlb[index] = vm->pte[index];
	}
	return vm->tlb[index];
}

/* The guest fills a page with @value. */
static void vm_write(struct test_vm *vm, pgoff_t index, u64 value)
{
	unsigned long pfn = vm_translate(vm, index);
	u64 *addr = kmap_local_page(pfn_to_page(pfn));

	memset64(addr, value ^ vm_seal(vm, pfn), PAGE_SIZE / sizeof(*addr));
	kunmap_local(addr);
}

static bool vm_sees(struct test_vm *vm, pgoff_t index, u64 value)
{
	unsigned long pfn = vm_translate(vm, index);
	u64 *addr = kmap_local_page(pfn_to_page(pfn));
	bool same = true;
	int i;

	for (i = 0; i < PAGE_SIZE / sizeof(*addr); i++)
		same &= addr[i] == (value ^ vm_seal(vm, pfn));
	kunmap_local(addr);
	return same;
}

/* A file that can move, the VM that uses it, and a first page with contents. */
#define TEST_VALUE	0x600dda7a

static struct test_vm *vm_setup(struct kunit *test,
				const struct memfile_notifier_ops *ops)
{
	struct test_vm *vm = vm_attach(file_create(test, MEMFILE_CAP_MOVE), ops,
				       MEMFILE_CAP_MOVE);

	vm_write(vm, 0, TEST_VALUE);
	return vm;
}

/* Moving */

static struct folio *new_folio(struct folio *src, unsigned long private)
{
	return folio_alloc(GFP_HIGHUSER_MOVABLE, 0);
}

static struct folio *no_folio(struct folio *src, unsigned long private)
{
	return NULL;
}

static bool file_isolate(struct test_file *file, pgoff_t index,
			 struct list_head *list)
{
	struct folio *folio = filemap_get_folio(file->mapping, index);
	bool isolated;

	if (IS_ERR(folio))
		return false;

	isolated = isolate_folio_to_list(folio, list);
	folio_put(folio);
	return isolated;
}

/* Move the first @nr pages in one batch; returns how many failed to. */
static int file_move(struct test_file *file, unsigned int nr)
{
	unsigned int index, failed = 0;
	LIST_HEAD(list);
	int ret;

	/* What is on its way to the LRU has a reference more. */
	lru_add_drain_all();
	for (index = 0; index < nr; index++)
		failed += !file_isolate(file, index, &list);

	ret = migrate_pages(&list, new_folio, NULL, 0, MIGRATE_ASYNC,
			    MR_COMPACTION, NULL);
	putback_movable_pages(&list);
	return ret < 0 ? ret : ret + failed;
}

/* A folio as mm/migrate.c has it: locked, and isolated, which is a reference. */
static struct folio *file_grab(struct test_file *file, pgoff_t index)
{
	struct folio *folio;
	LIST_HEAD(list);

	lru_add_drain_all();
	KUNIT_ASSERT_TRUE(file->test, file_isolate(file, index, &list));
	folio = lru_to_folio(&list);
	list_del(&folio->lru);
	folio_lock(folio);
	return folio;
}

static void file_ungrab(struct folio *folio)
{
	LIST_HEAD(list);

	folio_unlock(folio);
	list_add(&folio->lru, &list);
	putback_movable_pages(&list);
}

/* memfile_migrate_folio() of a @src that has been unmapped and flushed. */
static int file_move_grabbed(struct test_file *file, struct folio *src)
{
	struct folio *dst = new_folio(src, 0);
	int ret;

	if (!dst)
		return -ENOMEM;

	folio_lock(dst);
	ret = memfile_migrate_folio(file->mapping, dst, src, MIGRATE_SYNC);
	folio_unlock(dst);
	folio_put(dst);
	return ret;
}

static void vm_expect_in_place(struct test_vm *vm, unsigned long pfn)
{
	KUNIT_EXPECT_EQ(vm->test, file_pfn(vm->file, 0), pfn);
	KUNIT_EXPECT_FALSE(vm->test, vm->blocked[0]);
	KUNIT_EXPECT_TRUE(vm->test, vm_sees(vm, 0, TEST_VALUE));
	KUNIT_EXPECT_EQ(vm->test, nr_freed, 0);
	KUNIT_EXPECT_EQ(vm->test, atomic_long_read(&vm->file->mf.migrated), 0);
}

static void vm_expect_moved(struct test_vm *vm, unsigned long pfn)
{
	KUNIT_EXPECT_NE(vm->test, file_pfn(vm->file, 0), pfn);
	KUNIT_EXPECT_FALSE(vm->test, vm_maps(vm, pfn));
	KUNIT_EXPECT_FALSE(vm->test, vm->blocked[0]);
	KUNIT_EXPECT_TRUE(vm->test, vm_sees(vm, 0, TEST_VALUE));
}

/* Whether the page moves now, as nothing stands in its way any more. */
static void vm_expect_moves(struct test_vm *vm)
{
	unsigned long pfn = file_pfn(vm->file, 0);

	KUNIT_EXPECT_EQ(vm->test, file_move(vm->file, 1), 0);
	vm_expect_moved(vm, pfn);
}

/* Other threads */

/* A thread in memfile_get_folio(); @folio stays locked. */
struct getter {
	struct test_file *file;
	struct task_struct *task;
	struct folio *folio;
};

static int getter_thread(void *data)
{
	struct getter *getter = data;

	getter->folio = memfile_get_folio(&getter->file->mf, 0,
					  TASK_UNINTERRUPTIBLE);
	return 0;
}

static struct task_struct *thread_create(struct kunit *test,
					 int (*thread)(void *), void *data)
{
	struct task_struct *task = kthread_create(thread, data, "memfile_test");

	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	return get_task_struct(task);
}

/* Let @task find @folio locked, and wait; @refs are those of others. */
static void thread_expect_waits(struct kunit *test, struct task_struct *task,
				struct folio *folio, int refs)
{
	int ret, now;

	wake_up_process(task);
	ret = read_poll_timeout(folio_ref_count, now,
				folio_test_waiters(folio) && now == refs,
				USEC_PER_MSEC, 5 * USEC_PER_SEC, false, folio);
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_EQ(test, now, refs);
}

/* Ends @getter and returns the PFN that it got. */
static unsigned long getter_finish(struct getter *getter)
{
	unsigned long pfn;

	kthread_stop_put(getter->task);
	if (IS_ERR_OR_NULL(getter->folio))
		return 0;

	pfn = folio_pfn(getter->folio);
	folio_unlock(getter->folio);
	folio_put(getter->folio);
	return pfn;
}

/* Poison */

static void unpoison(void *data)
{
	struct folio *folio = data;

	folio_clear_hwpoison(folio);
	folio_put(folio);
}

/* Does to a folio what memory_failure() does before it locks it. */
static void poison(struct kunit *test, struct folio *folio)
{
	folio_get(folio);
	folio_set_hwpoison(folio);
	KUNIT_EXPECT_EQ(test, 0,
			kunit_add_action_or_reset(test, unpoison, folio));
}

static void need_hwpoison(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_MEMORY_FAILURE))
		kunit_skip(test, "needs CONFIG_MEMORY_FAILURE");
}

/* Cases: capabilities */

static void caps_are_none_before_the_first_consumer(struct kunit *test)
{
	file_expect_movable(file_create(test, MEMFILE_CAP_MOVE), false);
}

static void caps_are_asked_and_store_and_consumer(struct kunit *test)
{
	static const struct memfile_backing_store stores[] = {
		{ .caps = 0 },
		{ .caps = MEMFILE_CAP_MOVE },
	};
	struct test_file *file;
	unsigned int i;

	for (i = 0; i < 8; i++) {
		file = file_create_on(test, &stores[i & 1],
				      i & 2 ? MEMFILE_CAP_MOVE : 0);
		vm_attach(file, &plain_ops, i & 4 ? MEMFILE_CAP_MOVE : 0);
		file_expect_movable(file, i == 7);
	}
}

static void differing_consumers_narrow_and_widen(struct kunit *test)
{
	struct test_file *file = file_create(test, MEMFILE_CAP_MOVE);
	struct test_vm *rigid;

	vm_attach(file, &plain_ops, MEMFILE_CAP_MOVE);
	file_expect_movable(file, true);

	rigid = vm_attach(file, &plain_ops, 0);
	file_expect_movable(file, false);

	vm_attach(file, &plain_ops, MEMFILE_CAP_MOVE);
	file_expect_movable(file, false);

	vm_detach(rigid);
	file_expect_movable(file, true);
}

static void caps_stay_when_the_last_consumer_goes(struct kunit *test)
{
	struct test_file *file = file_create(test, MEMFILE_CAP_MOVE);
	struct test_vm *vm;

	vm = vm_attach(file, &plain_ops, 0);
	vm_detach(vm);
	file_expect_movable(file, false);

	vm = vm_attach(file, &plain_ops, MEMFILE_CAP_MOVE);
	file_expect_movable(file, true);
	vm_detach(vm);
	file_expect_movable(file, true);
}

static void update_follows_a_changing_consumer(struct kunit *test)
{
	struct test_file *file = file_create(test, MEMFILE_CAP_MOVE);
	struct test_vm *vm = vm_attach(file, &plain_ops, MEMFILE_CAP_MOVE);

	vm->caps = 0;
	KUNIT_EXPECT_EQ(test, memfile_notifier_update(&vm->n), 0);
	file_expect_movable(file, false);

	vm->caps = MEMFILE_CAP_MOVE;
	KUNIT_EXPECT_EQ(test, memfile_notifier_update(&vm->n), 0);
	file_expect_movable(file, true);
}

/* Cases: policy */

static struct kobj_attribute *policy_attr(void)
{
	struct kernfs_node *dir = kernfs_find_and_get(mm_kobj->sd, "memfile");
	struct kernfs_node *kn = kernfs_find_and_get(dir, "movable");
	struct kobj_attribute *attr = container_of((struct attribute *)kn->priv,
						   struct kobj_attribute, attr);

	kernfs_put(kn);
	kernfs_put(dir);
	return attr;
}

static ssize_t set_policy(const char *policy)
{
	struct kobj_attribute *attr = policy_attr();

	return attr->store(mm_kobj, attr, policy, strlen(policy));
}

static void expect_policy(struct kunit *test, const char *expected)
{
	struct kobj_attribute *attr = policy_attr();
	char *text = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, text);
	KUNIT_EXPECT_EQ(test, attr->show(mm_kobj, attr, text),
			strlen(expected));
	KUNIT_EXPECT_STREQ(test, text, expected);
}

static void policy_reset(struct kunit *test)
{
	set_policy("request");
}

static void policy_request_gives_what_is_asked_for(struct kunit *test)
{
	unsigned long asked = 0;

	expect_policy(test, "always [request] never\n");
	KUNIT_EXPECT_EQ(test, memfile_request_caps(&asked, MEMFILE_CAP_MOVE),
			0);
	KUNIT_EXPECT_EQ(test, asked, 0);

	asked = MEMFILE_CAP_MOVE;
	KUNIT_EXPECT_EQ(test, memfile_request_caps(&asked, MEMFILE_CAP_MOVE),
			0);
	KUNIT_EXPECT_EQ(test, asked, MEMFILE_CAP_MOVE);
}

static void policy_always_gives_what_is_tolerated(struct kunit *test)
{
	unsigned long asked = 0;

	KUNIT_EXPECT_EQ(test, set_policy("always\n"), strlen("always\n"));
	expect_policy(test, "[always] request never\n");

	KUNIT_EXPECT_EQ(test, memfile_request_caps(&asked, 0), 0);
	KUNIT_EXPECT_EQ(test, asked, 0);

	KUNIT_EXPECT_EQ(test, memfile_request_caps(&asked, MEMFILE_CAP_MOVE),
			0);
	KUNIT_EXPECT_EQ(test, asked, MEMFILE_CAP_MOVE);
}

static void policy_never_refuses_only_who_asks(struct kunit *test)
{
	unsigned long asked = MEMFILE_CAP_MOVE;

	KUNIT_EXPECT_EQ(test, set_policy("never\n"), strlen("never\n"));
	expect_policy(test, "always request [never]\n");
	KUNIT_EXPECT_EQ(test, memfile_request_caps(&asked, MEMFILE_CAP_MOVE),
			-EPERM);

	asked = 0;
	KUNIT_EXPECT_EQ(test, memfile_request_caps(&asked, MEMFILE_CAP_MOVE),
			0);
	KUNIT_EXPECT_EQ(test, asked, 0);
}

static void asking_for_more_than_tolerated_is_invalid(struct kunit *test)
{
	static const char * const policies[] = { "always", "request", "never" };
	unsigned long asked = MEMFILE_CAP_MOVE;
	int i;

	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		set_policy(policies[i]);
		KUNIT_EXPECT_EQ(test, memfile_request_caps(&asked, 0), -EINVAL);
	}
}

static void policy_of_another_name_is_invalid(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, set_policy("sometimes\n"), -EINVAL);
	KUNIT_EXPECT_EQ(test, set_policy(""), -EINVAL);
	expect_policy(test, "always [request] never\n");
}

/* Cases: states of an index */

static void absent_index_becomes_resident(struct kunit *test)
{
	struct test_file *file = file_create(test, 0);
	struct folio *folio;

	KUNIT_EXPECT_EQ(test, file_pfn(file, 3), 0);

	folio = memfile_get_folio(&file->mf, 3, TASK_UNINTERRUPTIBLE);
	KUNIT_ASSERT_FALSE(test, IS_ERR(folio));
	KUNIT_EXPECT_TRUE(test, folio_test_locked(folio));
	KUNIT_EXPECT_FALSE(test, folio_test_uptodate(folio));
	KUNIT_EXPECT_EQ(test, folio->index, 3);
	folio_unlock(folio);
	folio_put(folio);

	KUNIT_EXPECT_EQ(test, file_pfn(file, 3), folio_pfn(folio));
	file_expect_fdinfo(file, "none", 1, 0);
}

static void resident_index_keeps_its_folio(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &plain_ops);
	unsigned long pfn = file_pfn(vm->file, 0);

	KUNIT_EXPECT_EQ(test, memfile_allocate(&vm->file->mf, 0, TEST_PAGES),
			0);
	KUNIT_EXPECT_EQ(test, vm->file->mapping->nrpages, TEST_PAGES);
	vm_expect_in_place(vm, pfn);
}

static void resident_folio_is_not_evictable(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &plain_ops);
	struct address_space *mapping = vm->file->mapping;
	struct folio *folio;
	long evicted;

	lru_add_drain_all();
	folio = memfile_get_folio(&vm->file->mf, 0, TASK_UNINTERRUPTIBLE);
	KUNIT_ASSERT_FALSE(test, IS_ERR(folio));
	evicted = mapping_evict_folio(mapping, folio);
	KUNIT_EXPECT_EQ(test, evicted, 0);

	/* It is being dirty that protects it. */
	folio_clear_dirty(folio);
	if (!evicted)
		KUNIT_EXPECT_EQ(test, mapping_evict_folio(mapping, folio), 1);
	folio_unlock(folio);
	folio_put(folio);
}

static void punched_range_is_absent(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &plain_ops);
	struct test_file *file = vm->file;

	vm_write(vm, 1, TEST_VALUE);
	vm_write(vm, 2, TEST_VALUE);

	memfile_punch(&file->mf, 1, 2);
	KUNIT_EXPECT_EQ(test, file_pfn(file, 1), 0);
	KUNIT_EXPECT_EQ(test, nr_freed, 1);
	KUNIT_EXPECT_TRUE(test, vm_sees(vm, 0, TEST_VALUE));
	KUNIT_EXPECT_TRUE(test, vm_sees(vm, 1, 0));
	KUNIT_EXPECT_TRUE(test, vm_sees(vm, 2, TEST_VALUE));
}

static void punch_invalidates_every_consumer(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &plain_ops);
	struct test_vm *other = vm_attach(vm->file, &plain_ops, 0);

	memfile_punch(&vm->file->mf, 1, 5);
	KUNIT_EXPECT_EQ(test, vm->invalidate_start, 1);
	KUNIT_EXPECT_EQ(test, vm->invalidate_end, 5);
	KUNIT_EXPECT_EQ(test, vm->invalidates, 1);
	KUNIT_EXPECT_FALSE(test, vm->invalidating);
	KUNIT_EXPECT_EQ(test, other->invalidates, 1);
	KUNIT_EXPECT_FALSE(test, other->invalidating);
}

static void poisoned_index_stays_so_until_punched(struct kunit *test)
{
	struct test_vm *vm;

	need_hwpoison(test);
	vm = vm_setup(test, &plain_ops);
	poison(test, pfn_folio(file_pfn(vm->file, 0)));
	KUNIT_EXPECT_EQ(test, vm_fault(vm, 0), -EHWPOISON);

	KUNIT_EXPECT_EQ(test, memfile_allocate(&vm->file->mf, 0, 2), 0);
	KUNIT_EXPECT_EQ(test, vm_fault(vm, 0), -EHWPOISON);
	KUNIT_EXPECT_EQ(test, vm_fault(vm, 1), 0);

	memfile_punch(&vm->file->mf, 0, 1);
	KUNIT_EXPECT_EQ(test, file_pfn(vm->file, 0), 0);
	KUNIT_EXPECT_EQ(test, vm_fault(vm, 0), 0);
	KUNIT_EXPECT_TRUE(test, vm_sees(vm, 0, 0));
}

static void error_unmaps_and_flushes_but_keeps_the_folio(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &plain_ops);
	unsigned long pfn = file_pfn(vm->file, 0);
	struct folio *folio;

	folio = memfile_get_folio(&vm->file->mf, 0, TASK_UNINTERRUPTIBLE);
	KUNIT_ASSERT_FALSE(test, IS_ERR(folio));
	KUNIT_EXPECT_EQ(test, MF_DELAYED,
			memfile_error_remove_folio(vm->file->mapping, folio));
	folio_unlock(folio);
	folio_put(folio);

	KUNIT_EXPECT_EQ(test, vm->unmaps, 1);
	KUNIT_EXPECT_EQ(test, vm->flushes, 1);
	KUNIT_EXPECT_FALSE(test, vm_maps(vm, pfn));
	vm_expect_in_place(vm, pfn);
}

/* Cases: waiting for the folio lock */

static void locked_folio_is_waited_for_without_a_reference(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &plain_ops);
	struct getter getter = { .file = vm->file };
	struct folio *folio;

	getter.task = thread_create(test, getter_thread, &getter);
	folio = file_grab(vm->file, 0);
	thread_expect_waits(test, getter.task, folio, 2);
	file_ungrab(folio);

	KUNIT_EXPECT_EQ(test, getter_finish(&getter), folio_pfn(folio));
}

static void folio_punched_before_it_was_locked_is_not_got(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &plain_ops);
	struct getter getter = { .file = vm->file };
	struct folio *folio;
	unsigned long pfn;

	getter.task = thread_create(test, getter_thread, &getter);
	folio = file_grab(vm->file, 0);
	thread_expect_waits(test, getter.task, folio, 2);
	folio_get(folio);
	filemap_remove_folio(folio);
	file_ungrab(folio);

	pfn = getter_finish(&getter);
	KUNIT_EXPECT_NE(test, pfn, 0);
	KUNIT_EXPECT_NE(test, pfn, folio_pfn(folio));
	KUNIT_EXPECT_EQ(test, pfn, file_pfn(vm->file, 0));
	folio_put(folio);
}

/* Cases: folios that must not be where they are once nothing moves */

static unsigned long misplaced[TEST_PAGES];
static unsigned int nr_stay_asked;

static bool stays_unless_misplaced(struct folio *folio)
{
	pgoff_t index;

	for (index = 0; index < TEST_PAGES; index++) {
		if (misplaced[index] == folio_pfn(folio))
			return false;
	}
	return true;
}

static bool stays_when_asked_again(struct folio *folio)
{
	return nr_stay_asked++;
}

static void file_misplace(struct test_file *file, unsigned int nr)
{
	pgoff_t index;

	for (index = 0; index < TEST_PAGES; index++)
		misplaced[index] = index < nr ? file_pfn(file, index) : 0;
	kunit_activate_static_stub(file->test, memfile_folio_may_stay,
				   stays_unless_misplaced);
}

static void new_folio_is_replaced_if_misplaced(struct kunit *test)
{
	struct test_file *file = file_create(test, MEMFILE_CAP_MOVE);
	struct test_vm *vm = vm_attach(file, &plain_ops, 0);

	nr_stay_asked = 0;
	kunit_activate_static_stub(test, memfile_folio_may_stay,
				   stays_when_asked_again);
	KUNIT_EXPECT_EQ(test, vm_fault(vm, 0), 0);
	KUNIT_EXPECT_EQ(test, nr_stay_asked, 2);
	KUNIT_EXPECT_EQ(test, nr_freed, 1);
	KUNIT_EXPECT_EQ(test, file->mapping->nrpages, 1);
}

static void new_folio_of_a_movable_file_may_be_anywhere(struct kunit *test)
{
	struct test_file *file = file_create(test, MEMFILE_CAP_MOVE);
	struct test_vm *vm = vm_attach(file, &plain_ops, MEMFILE_CAP_MOVE);

	nr_stay_asked = 0;
	kunit_activate_static_stub(test, memfile_folio_may_stay,
				   stays_when_asked_again);
	KUNIT_EXPECT_EQ(test, vm_fault(vm, 0), 0);
	KUNIT_EXPECT_EQ(test, nr_freed, 0);
}

static struct kunit_case memfile_cases[] = {
	KUNIT_CASE(caps_are_none_before_the_first_consumer),
	KUNIT_CASE(caps_are_asked_and_store_and_consumer),
	KUNIT_CASE(differing_consumers_narrow_and_widen),
	KUNIT_CASE(caps_stay_when_the_last_consumer_goes),
	KUNIT_CASE(update_follows_a_changing_consumer),
	KUNIT_CASE(policy_request_gives_what_is_asked_for),
	KUNIT_CASE(policy_always_gives_what_is_tolerated),
	KUNIT_CASE(policy_never_refuses_only_who_asks),
	KUNIT_CASE(asking_for_more_than_tolerated_is_invalid),
	KUNIT_CASE(policy_of_another_name_is_invalid),
	KUNIT_CASE(absent_index_becomes_resident),
	KUNIT_CASE(resident_index_keeps_its_folio),
	KUNIT_CASE(resident_folio_is_not_evictable),
	KUNIT_CASE(punched_range_is_absent),
	KUNIT_CASE(punch_invalidates_every_consumer),
	KUNIT_CASE(poisoned_index_stays_so_until_punched),
	KUNIT_CASE(error_unmaps_and_flushes_but_keeps_the_folio),
	KUNIT_CASE(locked_folio_is_waited_for_without_a_reference),
	KUNIT_CASE(folio_punched_before_it_was_locked_is_not_got),
	KUNIT_CASE(new_folio_is_replaced_if_misplaced),
	KUNIT_CASE(new_folio_of_a_movable_file_may_be_anywhere),
	{}
};

static struct kunit_suite memfile_suite = {
	.name = "memfile",
	.suite_init = test_suite_init,
	.suite_exit = test_suite_exit,
	.exit = policy_reset,
	.test_cases = memfile_cases,
};

/* Cases: a move */

static void migrate_takes_contents_and_translations_along(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &plain_ops);
	unsigned long src = file_pfn(vm->file, 0);
	struct folio *dst;

	KUNIT_EXPECT_EQ(test, file_move(vm->file, 1), 0);
	vm_expect_moved(vm, src);

	dst = pfn_folio(file_pfn(vm->file, 0));
	KUNIT_EXPECT_TRUE(test, folio_test_dirty(dst));
	KUNIT_EXPECT_TRUE(test, folio_test_uptodate(dst));
	file_expect_fdinfo(vm->file, "move", 1, 1);
}

static void migrate_frees_the_source_once(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &plain_ops);
	struct folio *src = pfn_folio(file_pfn(vm->file, 0));

	KUNIT_EXPECT_EQ(test, file_move(vm->file, 1), 0);
	KUNIT_EXPECT_EQ(test, nr_freed, 1);
	KUNIT_EXPECT_PTR_EQ(test, last_freed, src);
}

static void migrate_unmaps_and_flushes_every_consumer(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &plain_ops);
	struct test_vm *other = vm_attach(vm->file, &plain_ops,
					  MEMFILE_CAP_MOVE);
	unsigned long src = file_pfn(vm->file, 0);

	KUNIT_EXPECT_TRUE(test, vm_sees(other, 0, TEST_VALUE));
	KUNIT_EXPECT_EQ(test, file_move(vm->file, 1), 0);
	vm_expect_moved(vm, src);
	vm_expect_moved(other, src);
	KUNIT_EXPECT_EQ(test, vm->unmaps, 1);
	KUNIT_EXPECT_EQ(test, vm->flushes, 1);
	KUNIT_EXPECT_EQ(test, other->unmaps, 1);
	KUNIT_EXPECT_EQ(test, other->flushes, 1);
}

static void hook_write(struct test_vm *vm)
{
	vm_write(vm, 0, ~TEST_VALUE);
}

static void write_through_a_stale_tlb_is_not_lost(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &plain_ops);

	vm->hook = hook_write;
	vm->hook_op = OP_FLUSH;
	KUNIT_EXPECT_EQ(test, file_move(vm->file, 1), 0);
	KUNIT_EXPECT_TRUE(test, vm_sees(vm, 0, ~TEST_VALUE));
}

/* Cases: flushing */

static void batch_is_flushed_once(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &plain_ops);
	pgoff_t index;

	for (index = 0; index < TEST_PAGES; index++)
		vm_write(vm, index, index);

	KUNIT_EXPECT_EQ(test, file_move(vm->file, TEST_PAGES), 0);
	KUNIT_EXPECT_EQ(test, vm->unmaps, TEST_PAGES);
	KUNIT_EXPECT_EQ(test, vm->flushes, 1);
	KUNIT_EXPECT_EQ(test, nr_freed, TEST_PAGES);
	for (index = 0; index < TEST_PAGES; index++)
		KUNIT_EXPECT_TRUE(test, vm_sees(vm, index, index));
}

static void batch_of_two_files_flushes_each_once(struct kunit *test)
{
	struct test_vm *vms[] = {
		vm_setup(test, &plain_ops),
		vm_setup(test, &plain_ops),
	};
	LIST_HEAD(list);
	int i;

	vm_write(vms[0], 1, TEST_VALUE);
	vm_write(vms[1], 1, TEST_VALUE);

	lru_add_drain_all();
	for (i = 0; i < 4; i++)
		file_isolate(vms[i % 2]->file, i / 2, &list);
	KUNIT_EXPECT_EQ(test, 0,
			migrate_pages(&list, new_folio, NULL, 0, MIGRATE_ASYNC,
				      MR_COMPACTION, NULL));

	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, vms[i]->unmaps, 2);
		KUNIT_EXPECT_EQ(test, vms[i]->flushes, 1);
		KUNIT_EXPECT_EQ(test, 2,
				atomic_long_read(&vms[i]->file->mf.migrated));
	}
}

/* Cases: somebody uses the folio */

static void migrate_pinned_folio_returns_eagain(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &plain_ops);
	struct folio *folio = file_grab(vm->file, 0);

	folio_get(folio);
	KUNIT_EXPECT_EQ(test, memfile_migrate_unmap(folio), -EAGAIN);
	KUNIT_EXPECT_EQ(test, vm->unmaps, 0);
	file_ungrab(folio);

	KUNIT_EXPECT_EQ(test, file_move(vm->file, 1), 1);
	KUNIT_EXPECT_EQ(test, vm->unmaps, 0);
	vm_expect_in_place(vm, folio_pfn(folio));

	folio_put(folio);
	vm_expect_moves(vm);
}

static void hook_get_folio(struct test_vm *vm)
{
	folio_get(vm->hook_folio);
	vm->hook = NULL;
}

static void hook_put_folio(struct test_vm *vm)
{
	KUNIT_EXPECT_NULL(vm->test, vm->hook);
	if (!vm->hook)
		folio_put(vm->hook_folio);
}

static void migrate_with_a_fault_in_flight_returns_eagain(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &plain_ops);
	struct folio *folio = file_grab(vm->file, 0);

	KUNIT_EXPECT_EQ(test, memfile_migrate_unmap(folio), 0);
	folio_get(folio);
	KUNIT_EXPECT_EQ(test, file_move_grabbed(vm->file, folio), -EAGAIN);
	folio_put(folio);
	file_ungrab(folio);
	vm_expect_in_place(vm, folio_pfn(folio));
}

static void fault_in_flight_keeps_the_folio_for_now(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &plain_ops);
	unsigned long src = file_pfn(vm->file, 0);

	vm->hook = hook_get_folio;
	vm->hook_op = OP_FLUSH;
	vm->hook_folio = pfn_folio(src);
	KUNIT_EXPECT_EQ(test, file_move(vm->file, 1), 1);
	vm_expect_in_place(vm, src);

	hook_put_folio(vm);
	vm_expect_moves(vm);
}

static void hook_let_fault(struct test_vm *vm)
{
	thread_expect_waits(vm->test, vm->hook_task, vm->hook_folio, 2);
}

static void fault_during_a_move_gets_the_destination(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &plain_ops);
	unsigned long src = file_pfn(vm->file, 0);
	struct getter getter = { .file = vm->file };

	getter.task = thread_create(test, getter_thread, &getter);
	vm->hook = hook_let_fault;
	vm->hook_op = OP_FLUSH;
	vm->hook_folio = pfn_folio(src);
	vm->hook_task = getter.task;
	KUNIT_EXPECT_EQ(test, file_move(vm->file, 1), 0);

	KUNIT_EXPECT_EQ(test, getter_finish(&getter), file_pfn(vm->file, 0));
	vm_expect_moved(vm, src);
}

/* Cases: nothing moves */

static void consumer_is_asked_again_before_each_move(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &plain_ops);
	struct folio *folio;

	vm->caps = 0;
	folio = file_grab(vm->file, 0);
	KUNIT_EXPECT_EQ(test, memfile_migrate_unmap(folio), -EBUSY);
	file_ungrab(folio);

	KUNIT_EXPECT_EQ(test, file_move(vm->file, 1), 1);
	KUNIT_EXPECT_EQ(test, vm->unmaps, 0);
	vm_expect_in_place(vm, folio_pfn(folio));

	vm->caps = MEMFILE_CAP_MOVE;
	vm_expect_moves(vm);
}

static void unmovable_file_is_left_alone(struct kunit *test)
{
	struct test_file *file = file_create(test, 0);
	struct test_vm *vm = vm_attach(file, &plain_ops, MEMFILE_CAP_MOVE);
	unsigned long src;

	vm_write(vm, 0, TEST_VALUE);
	src = file_pfn(file, 0);
	KUNIT_EXPECT_EQ(test, file_move(file, 1), 1);
	KUNIT_EXPECT_EQ(test, vm->unmaps, 0);
	KUNIT_EXPECT_EQ(test, vm->flushes, 0);
	vm_expect_in_place(vm, src);
}

static void migrate_poisoned_folio_returns_ehwpoison(struct kunit *test)
{
	struct test_vm *vm;
	struct folio *folio;

	need_hwpoison(test);
	vm = vm_setup(test, &plain_ops);
	folio = file_grab(vm->file, 0);
	KUNIT_EXPECT_EQ(test, memfile_migrate_unmap(folio), 0);
	poison(test, folio);
	KUNIT_EXPECT_EQ(test, file_move_grabbed(vm->file, folio), -EHWPOISON);
	file_ungrab(folio);

	/* What unblocks is not told. */
	KUNIT_EXPECT_EQ(test, vm->unmaps, 2);
	KUNIT_EXPECT_EQ(test, file_pfn(vm->file, 0), folio_pfn(folio));
	KUNIT_EXPECT_EQ(test, vm_fault(vm, 0), -EHWPOISON);
}

/* memory_failure() gave up on it, as it was isolated. */
static void isolated_poisoned_folio_is_unmapped_by_a_move(struct kunit *test)
{
	struct test_vm *vm;
	struct folio *folio;

	need_hwpoison(test);
	vm = vm_setup(test, &plain_ops);
	folio = file_grab(vm->file, 0);
	poison(test, folio);
	KUNIT_EXPECT_EQ(test, memfile_migrate_unmap(folio), -EHWPOISON);
	file_ungrab(folio);

	KUNIT_EXPECT_FALSE(test, vm_maps(vm, folio_pfn(folio)));
	KUNIT_EXPECT_EQ(test, vm_fault(vm, 0), -EHWPOISON);
}

static void failing_to_allocate_unmaps_nothing(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &plain_ops);
	unsigned long src = file_pfn(vm->file, 0);
	LIST_HEAD(list);

	lru_add_drain_all();
	KUNIT_ASSERT_TRUE(test, file_isolate(vm->file, 0, &list));
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			migrate_pages(&list, no_folio, NULL, 0, MIGRATE_ASYNC,
				      MR_COMPACTION, NULL));
	putback_movable_pages(&list);
	KUNIT_EXPECT_EQ(test, vm->unmaps, 0);
	vm_expect_in_place(vm, src);
}

/* Cases: a consumer goes away */

/* For unmap not allowed to consumers, but a wait that lasts is what it takes. */
static void hook_dawdle(struct test_vm *vm)
{
	complete(&vm->hook_entered);
	msleep(50);
	WRITE_ONCE(vm->hook_left, true);
}

static int mover_thread(void *data)
{
	return file_move(data, 1);
}

static void unregister_during(struct kunit *test, enum test_op op)
{
	struct test_vm *vm = vm_setup(test, op == OP_RELOCATE ? &sealed_ops :
								&plain_ops);
	unsigned long src = file_pfn(vm->file, 0);
	struct task_struct *task;

	vm->hook = hook_dawdle;
	vm->hook_op = op;
	task = thread_create(test, mover_thread, vm->file);
	wake_up_process(task);
	KUNIT_EXPECT_NE(test, 0,
			wait_for_completion_timeout(&vm->hook_entered, 5 * HZ));

	vm_detach(vm);
	KUNIT_EXPECT_TRUE(test, READ_ONCE(vm->hook_left));
	KUNIT_EXPECT_EQ(test, kthread_stop_put(task), 0);
	KUNIT_EXPECT_NE(test, file_pfn(vm->file, 0), src);
}

static void unregister_flushes_what_a_batch_has_unmapped(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &plain_ops);
	struct folio *folio = file_grab(vm->file, 0);

	KUNIT_EXPECT_EQ(test, memfile_migrate_unmap(folio), 0);
	KUNIT_EXPECT_TRUE(test, vm_maps(vm, folio_pfn(folio)));
	vm_detach(vm);
	KUNIT_EXPECT_FALSE(test, vm_maps(vm, folio_pfn(folio)));
	file_ungrab(folio);
}

static void unregister_waits_for_unmap(struct kunit *test)
{
	unregister_during(test, OP_UNMAP);
}

static void unregister_waits_for_flush(struct kunit *test)
{
	unregister_during(test, OP_FLUSH);
}

static void unregister_waits_for_relocate(struct kunit *test)
{
	unregister_during(test, OP_RELOCATE);
}

/* Cases: only the consumer can transfer the contents */

static void relocate_transfers_the_contents(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &sealed_ops);
	unsigned long src = file_pfn(vm->file, 0);

	/* Nobody else did: the CPU's copy would be sealed for the source. */
	KUNIT_EXPECT_EQ(test, file_move(vm->file, 1), 0);
	vm_expect_moved(vm, src);
	KUNIT_EXPECT_EQ(test, vm->blocks, 1);
	KUNIT_EXPECT_EQ(test, vm->relocates, 1);
	/* Release takes its place. */
	KUNIT_EXPECT_EQ(test, nr_freed, 0);
	KUNIT_EXPECT_EQ(test, folio_pfn(vm->released), src);
	KUNIT_EXPECT_TRUE(test,
			  folio_test_dirty(pfn_folio(file_pfn(vm->file, 0))));
	file_expect_fdinfo(vm->file, "move", 1, 1);
}

/* Who cannot make the source ordinary memory again keeps it. */
static void source_that_cannot_be_released_is_not_freed(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &sealed_ops);
	unsigned long src = file_pfn(vm->file, 0);

	vm->release_fails = true;
	KUNIT_EXPECT_EQ(test, file_move(vm->file, 1), 0);
	vm_expect_moved(vm, src);
	KUNIT_ASSERT_EQ(test, folio_pfn(vm->released), src);
	KUNIT_EXPECT_EQ(test, folio_ref_count(vm->released), 1);
	folio_put(vm->released);
}

static void relocate_fails(struct kunit *test, int error, bool retried)
{
	struct test_vm *vm = vm_setup(test, &sealed_ops);
	unsigned long src = file_pfn(vm->file, 0);

	vm->relocate_error = error;
	KUNIT_EXPECT_EQ(test, file_move(vm->file, 1), 1);
	KUNIT_EXPECT_EQ(test, vm->relocates > 1, retried);
	vm_expect_in_place(vm, src);

	vm->relocate_error = 0;
	vm_expect_moves(vm);
}

static void relocate_refused_is_not_retried(struct kunit *test)
{
	relocate_fails(test, -EBUSY, false);
}

static void relocate_that_breaks_is_not_retried(struct kunit *test)
{
	relocate_fails(test, -EIO, false);
}

static void relocate_that_is_busy_is_retried(struct kunit *test)
{
	relocate_fails(test, -EAGAIN, true);
}

/* There and back again. */
static void vm_move_in_vain(struct test_vm *vm)
{
	unsigned long src = file_pfn(vm->file, 0);

	vm->hook = hook_get_folio;
	vm->hook_op = OP_RELOCATE;
	vm->hook_folio = pfn_folio(src);
	KUNIT_EXPECT_EQ(vm->test, file_move(vm->file, 1), 1);
	KUNIT_EXPECT_EQ(vm->test, vm->relocates, 2);
	KUNIT_ASSERT_NOT_NULL(vm->test, vm->released);
	KUNIT_EXPECT_NE(vm->test, folio_pfn(vm->released), src);
	vm_expect_in_place(vm, src);
	hook_put_folio(vm);
}

static void relocate_is_undone_if_the_freeze_fails(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &sealed_ops);

	vm_move_in_vain(vm);
	vm_expect_moves(vm);
}

/* Nobody gets it, another try included. */
static void destination_that_cannot_be_released_leaks(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &sealed_ops);

	vm->release_fails = true;
	vm_move_in_vain(vm);
	KUNIT_EXPECT_EQ(test, folio_ref_count(vm->released), 1);
	folio_put(vm->released);

	vm->release_fails = false;
	vm_expect_moves(vm);
}

/* Nobody gets the destination, and nobody tries again. */
static void relocate_that_cannot_be_undone_leaks(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &sealed_ops);
	unsigned long src = file_pfn(vm->file, 0);

	vm->hook = hook_get_folio;
	vm->hook_op = OP_RELOCATE;
	vm->hook_folio = pfn_folio(src);
	vm->stays_relocated = true;
	KUNIT_EXPECT_EQ(test, file_move(vm->file, 1), 1);
	KUNIT_EXPECT_EQ(test, vm->relocates, 2);
	KUNIT_EXPECT_NULL(test, vm->released);
	KUNIT_EXPECT_EQ(test, file_pfn(vm->file, 0), src);
	KUNIT_ASSERT_NOT_NULL(test, vm->relocated_to);
	KUNIT_EXPECT_EQ(test, folio_ref_count(vm->relocated_to), 1);
	folio_put(vm->relocated_to);
	hook_put_folio(vm);
}

static void relocate_is_not_begun_with_a_fault_in_flight(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &sealed_ops);
	unsigned long src = file_pfn(vm->file, 0);

	vm->hook = hook_get_folio;
	vm->hook_op = OP_FLUSH;
	vm->hook_folio = pfn_folio(src);
	KUNIT_EXPECT_EQ(test, file_move(vm->file, 1), 1);
	KUNIT_EXPECT_EQ(test, vm->relocates, 0);
	vm_expect_in_place(vm, src);

	hook_put_folio(vm);
	vm_expect_moves(vm);
}

static void file_stays_once_the_relocator_is_gone(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &sealed_ops);
	unsigned long src = file_pfn(vm->file, 0);

	vm_detach(vm);
	file_expect_movable(vm->file, false);
	KUNIT_EXPECT_EQ(test, file_move(vm->file, 1), 1);
	KUNIT_EXPECT_EQ(test, file_pfn(vm->file, 0), src);
}

/* Nor does it when that one cannot do it: pages are where they are. */
static void relocator_that_is_unable_is_asked_once(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &sealed_ops);
	struct test_vm *rigid = vm_create(vm->file, &plain_ops, 0);
	unsigned long src = file_pfn(vm->file, 0);

	vm_write(vm, 1, TEST_VALUE);
	file_misplace(vm->file, 2);
	vm->relocate_error = -EOPNOTSUPP;
	KUNIT_EXPECT_EQ(test, file_move(vm->file, 2), 2);
	KUNIT_EXPECT_EQ(test, vm->relocates, 1);
	KUNIT_EXPECT_FALSE(test, vm->blocked[1]);
	vm_expect_in_place(vm, src);

	file_expect_movable(vm->file, false);
	file_expect_fdinfo(vm->file, "none", 2, 0);
	KUNIT_EXPECT_EQ(test, file_move(vm->file, 2), 2);
	KUNIT_EXPECT_EQ(test, vm->blocks, 2);
	KUNIT_EXPECT_EQ(test, vm->relocates, 1);

	/* Nobody waits for what cannot move to move out. */
	KUNIT_EXPECT_EQ(test, memfile_notifier_update(&vm->n), 0);
	KUNIT_EXPECT_EQ(test, vm_register(rigid), 0);
	vm_detach(rigid);
	file_expect_movable(vm->file, false);
}

/* Lockdep would not have it waited for here. */
static void hook_lock_file(struct test_vm *vm)
{
	vm->hook = NULL;
	KUNIT_EXPECT_TRUE(vm->test,
			  down_write_trylock(&vm->file->mapping->invalidate_lock));
}

/* Who has the lock may be waiting for the folio that is being moved. */
static void relocator_is_asked_again_if_the_file_is_locked(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &sealed_ops);
	unsigned long src = file_pfn(vm->file, 0);

	vm->relocate_error = -EOPNOTSUPP;
	vm->hook = hook_lock_file;
	vm->hook_op = OP_RELOCATE;
	KUNIT_EXPECT_EQ(test, file_move(vm->file, 1), 1);
	filemap_invalidate_unlock(vm->file->mapping);
	file_expect_movable(vm->file, true);
	vm_expect_in_place(vm, src);

	KUNIT_EXPECT_EQ(test, file_move(vm->file, 1), 1);
	KUNIT_EXPECT_EQ(test, vm->relocates, 2);
	file_expect_movable(vm->file, false);
	vm_expect_in_place(vm, src);
}

static void two_relocators_move_nothing(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &sealed_ops);
	struct test_vm *other = vm_attach(vm->file, &sealed_ops,
					  MEMFILE_CAP_MOVE);
	unsigned long src = file_pfn(vm->file, 0);

	KUNIT_EXPECT_EQ(test, file_move(vm->file, 1), 1);
	KUNIT_EXPECT_EQ(test, vm->relocates, 0);
	KUNIT_EXPECT_EQ(test, other->relocates, 0);
	vm_expect_in_place(vm, src);

	vm_detach(other);
	vm_expect_moves(vm);
}

/* Cases: narrowing */

static void narrowing_moves_misplaced_folios_out(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &plain_ops);
	struct test_vm *rigid = vm_create(vm->file, &plain_ops, 0);
	unsigned long src = file_pfn(vm->file, 0);
	unsigned long placed;

	vm_write(vm, 1, TEST_VALUE);
	placed = file_pfn(vm->file, 1);

	file_misplace(vm->file, 1);
	KUNIT_EXPECT_EQ(test, vm_register(rigid), 0);
	file_expect_movable(vm->file, false);
	vm_expect_moved(vm, src);
	KUNIT_EXPECT_EQ(test, file_pfn(vm->file, 1), placed);
	file_expect_fdinfo(vm->file, "none", 2, 1);
}

static void narrowing_that_fails_leaves_all_as_it_was(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &plain_ops);
	struct test_vm *rigid = vm_create(vm->file, &plain_ops, 0);
	struct folio *pinned = pfn_folio(file_pfn(vm->file, 0));
	unsigned int unmaps;

	folio_get(pinned);
	file_misplace(vm->file, 1);
	KUNIT_EXPECT_EQ(test, vm_register(rigid), -EBUSY);
	file_expect_movable(vm->file, true);
	vm_expect_in_place(vm, folio_pfn(pinned));

	folio_put(pinned);
	unmaps = rigid->unmaps;
	vm_expect_moves(vm);
	KUNIT_EXPECT_EQ(test, rigid->unmaps, unmaps);

	KUNIT_EXPECT_EQ(test, vm_register(rigid), 0);
	file_expect_movable(vm->file, false);
}

static void update_that_fails_moves_nothing_meanwhile(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &plain_ops);
	struct folio *pinned = pfn_folio(file_pfn(vm->file, 0));

	folio_get(pinned);
	file_misplace(vm->file, 1);
	vm->caps = 0;
	KUNIT_EXPECT_EQ(test, memfile_notifier_update(&vm->n), -EBUSY);
	folio_put(pinned);
	KUNIT_EXPECT_EQ(test, file_move(vm->file, 1), 1);
	vm_expect_in_place(vm, folio_pfn(pinned));

	vm->caps = MEMFILE_CAP_MOVE;
	KUNIT_EXPECT_EQ(test, memfile_notifier_update(&vm->n), 0);
	file_expect_movable(vm->file, true);
	vm_expect_moves(vm);
}

static void widening_lets_folios_move_again(struct kunit *test)
{
	struct test_vm *vm = vm_setup(test, &plain_ops);
	struct test_vm *rigid = vm_attach(vm->file, &plain_ops, 0);
	unsigned long src = file_pfn(vm->file, 0);

	KUNIT_EXPECT_EQ(test, file_move(vm->file, 1), 1);
	vm_expect_in_place(vm, src);

	vm_detach(rigid);
	vm_expect_moves(vm);
}

static struct kunit_case memfile_migrate_cases[] = {
	KUNIT_CASE(migrate_takes_contents_and_translations_along),
	KUNIT_CASE(migrate_frees_the_source_once),
	KUNIT_CASE(migrate_unmaps_and_flushes_every_consumer),
	KUNIT_CASE(write_through_a_stale_tlb_is_not_lost),
	KUNIT_CASE(batch_is_flushed_once),
	KUNIT_CASE(batch_of_two_files_flushes_each_once),
	KUNIT_CASE(migrate_pinned_folio_returns_eagain),
	KUNIT_CASE(migrate_with_a_fault_in_flight_returns_eagain),
	KUNIT_CASE(fault_in_flight_keeps_the_folio_for_now),
	KUNIT_CASE(fault_during_a_move_gets_the_destination),
	KUNIT_CASE(consumer_is_asked_again_before_each_move),
	KUNIT_CASE(unmovable_file_is_left_alone),
	KUNIT_CASE(migrate_poisoned_folio_returns_ehwpoison),
	KUNIT_CASE(isolated_poisoned_folio_is_unmapped_by_a_move),
	KUNIT_CASE(failing_to_allocate_unmaps_nothing),
	KUNIT_CASE(unregister_flushes_what_a_batch_has_unmapped),
	KUNIT_CASE(unregister_waits_for_unmap),
	KUNIT_CASE(unregister_waits_for_flush),
	KUNIT_CASE(unregister_waits_for_relocate),
	KUNIT_CASE(relocate_transfers_the_contents),
	KUNIT_CASE(source_that_cannot_be_released_is_not_freed),
	KUNIT_CASE(relocate_refused_is_not_retried),
	KUNIT_CASE(relocate_that_breaks_is_not_retried),
	KUNIT_CASE(relocate_that_is_busy_is_retried),
	KUNIT_CASE(relocate_is_undone_if_the_freeze_fails),
	KUNIT_CASE(destination_that_cannot_be_released_leaks),
	KUNIT_CASE(relocate_that_cannot_be_undone_leaks),
	KUNIT_CASE(relocate_is_not_begun_with_a_fault_in_flight),
	KUNIT_CASE(file_stays_once_the_relocator_is_gone),
	KUNIT_CASE(relocator_that_is_unable_is_asked_once),
	KUNIT_CASE(relocator_is_asked_again_if_the_file_is_locked),
	KUNIT_CASE(two_relocators_move_nothing),
	KUNIT_CASE(narrowing_moves_misplaced_folios_out),
	KUNIT_CASE(narrowing_that_fails_leaves_all_as_it_was),
	KUNIT_CASE(update_that_fails_moves_nothing_meanwhile),
	KUNIT_CASE(widening_lets_folios_move_again),
	{}
};

static struct kunit_suite memfile_migrate_suite = {
	.name = "memfile_migrate",
	.suite_init = test_suite_init,
	.suite_exit = test_suite_exit,
	.test_cases = memfile_migrate_cases,
};

#ifdef CONFIG_MEMFILE_SWAP

/*
 * Swapping: to what swap is on, or else to a disk of the test's own.  All is
 * real but the disk, which is told to fail.
 */

#define CAPS_SWAP	(MEMFILE_CAP_MOVE | MEMFILE_CAP_SWAP)
#define DISK_PATH	"/memfile_test_swap"
#define DISK_PAGES	(4 * TEST_PAGES)

static struct test_disk {
	struct gendisk *gd;
	u8 *data;
	bool on;
	unsigned int failures[2];	/* of the next, READ and WRITE */
} disk;

/* Swap is turned on by a system call, and the kernel can do that on UML only. */
#ifndef CONFIG_ARCH_HAS_SYSCALL_WRAPPER

static void disk_submit_bio(struct bio *bio)
{
	u8 *data = disk.data + (bio->bi_iter.bi_sector << SECTOR_SHIFT);
	unsigned int *failures = &disk.failures[bio_data_dir(bio)];
	struct bvec_iter iter;
	struct bio_vec bv;

	if (*failures) {
		--*failures;
		bio_io_error(bio);
		return;
	}

	bio_for_each_segment(bv, bio, iter) {
		if (bio_data_dir(bio) == WRITE)
			memcpy_from_bvec(data, &bv);
		else
			memcpy_to_bvec(&bv, data);
		data += bv.bv_len;
	}
	bio_endio(bio);
}

static const struct block_device_operations disk_ops = {
	.owner		= THIS_MODULE,
	.submit_bio	= disk_submit_bio,
};

static int disk_link(void)
{
	struct dentry *dentry;
	struct path path;
	int ret;

	dentry = start_creating_path(AT_FDCWD, DISK_PATH, &path, 0);
	if (IS_ERR(dentry))
		return PTR_ERR(dentry);

	ret = vfs_mknod(mnt_idmap(path.mnt), d_inode(path.dentry), dentry,
			S_IFBLK | 0600, disk_devt(disk.gd), NULL);
	end_creating_path(&path, dentry);
	return ret;
}

static void disk_unlink(void)
{
	struct dentry *dentry;
	struct path path;

	dentry = start_removing_path(DISK_PATH, &path);
	if (IS_ERR(dentry))
		return;

	vfs_unlink(mnt_idmap(path.mnt), d_inode(path.dentry), dentry, NULL);
	end_removing_path(&path, dentry);
}

static void disk_destroy(void)
{
	scoped_with_init_fs()
		disk_unlink();
	del_gendisk(disk.gd);
	put_disk(disk.gd);
	vfree(disk.data);
}

static int disk_create(void)
{
	struct queue_limits limits = { .logical_block_size = PAGE_SIZE };
	union swap_header *header;
	int ret;

	disk.data = vzalloc(DISK_PAGES * PAGE_SIZE);
	if (!disk.data)
		return -ENOMEM;
	header = (union swap_header *)disk.data;
	header->info.version = 1;
	header->info.last_page = DISK_PAGES - 1;
	memcpy(header->magic.magic, "SWAPSPACE2", 10);

	disk.gd = blk_alloc_disk(&limits, NUMA_NO_NODE);
	if (IS_ERR(disk.gd)) {
		ret = PTR_ERR(disk.gd);
		goto free_data;
	}
	disk.gd->fops = &disk_ops;
	disk.gd->flags = GENHD_FL_NO_PART;
	strscpy(disk.gd->disk_name, "memfile_test");
	set_capacity(disk.gd, DISK_PAGES * PAGE_SECTORS);
	ret = add_disk(disk.gd);
	if (ret)
		goto put_disk;

	scoped_with_init_fs()
		ret = disk_link();
	if (ret)
		disk_destroy();
	return ret;

put_disk:
	put_disk(disk.gd);
free_data:
	vfree(disk.data);
	return ret;
}

static const char __user *disk_user_path(struct kunit *test)
{
	unsigned long addr = kunit_vm_mmap(test, NULL, 0, PAGE_SIZE,
					   PROT_READ | PROT_WRITE,
					   MAP_ANONYMOUS | MAP_PRIVATE, 0);
	char __user *path = (char __user *)addr;

	KUNIT_ASSERT_NE(test, addr, 0);
	KUNIT_ASSERT_EQ(test, 0,
			copy_to_user(path, DISK_PATH, sizeof(DISK_PATH)));
	return path;
}

static void disk_swapon(struct kunit *test)
{
	const char __user *path = disk_user_path(test);

	scoped_with_init_fs()
		disk.on = !sys_swapon(path, 0);
	KUNIT_ASSERT_TRUE(test, disk.on);
}

static void disk_swapoff(struct kunit *test)
{
	const char __user *path = disk_user_path(test);

	scoped_with_init_fs()
		disk.on = sys_swapoff(path);
	KUNIT_EXPECT_FALSE(test, disk.on);
	/* What it has closed would keep the next swapon from opening it. */
	flush_delayed_fput();
}
#else /* CONFIG_ARCH_HAS_SYSCALL_WRAPPER */

static int disk_create(void)
{
	return 0;
}

static void disk_destroy(void)
{
}

static void disk_swapon(struct kunit *test)
{
}

static void disk_swapoff(struct kunit *test)
{
}

#endif /* CONFIG_ARCH_HAS_SYSCALL_WRAPPER */

static bool swap_is_on(void)
{
	return get_nr_swap_pages() >= 2 * TEST_PAGES;
}

static long swap_used(void)
{
	return total_swap_pages - get_nr_swap_pages();
}

/* @nr slots more than when the case began. */
static void expect_swap_used(struct kunit *test, long nr)
{
	KUNIT_EXPECT_EQ(test, swap_used() - (long)test->priv, nr);
}

/* The files have gone, and so has all that they had in swap. */
static void swap_end(void *data)
{
	struct kunit *test = data;

	expect_swap_used(test, 0);
	/* With slots that nobody owns it would not come to an end. */
	if (disk.on && !swap_used())
		disk_swapoff(test);
}

static int swap_begin(struct kunit *test)
{
	memset(disk.failures, 0, sizeof(disk.failures));
	if (!swap_is_on())
		disk_swapon(test);
	test->priv = (void *)swap_used();
	return kunit_add_action_or_reset(test, swap_end, test);
}

static int swap_suite_init(struct kunit_suite *suite)
{
	int ret = disk_create();

	if (ret)
		return ret;

	ret = test_suite_init(suite);
	if (ret)
		disk_destroy();
	return ret;
}

static void swap_suite_exit(struct kunit_suite *suite)
{
	test_suite_exit(suite);
	if (!disk.on)
		disk_destroy();
}

static struct test_vm *vm_setup_swap(struct kunit *test)
{
	struct test_file *file = file_create(test, CAPS_SWAP);
	struct test_vm *vm = vm_attach(file, &plain_ops, CAPS_SWAP);

	if (!swap_is_on())
		kunit_skip(test, "no swap is on");

	vm_write(vm, 0, TEST_VALUE);
	return vm;
}

/* For cases that the disk has a part in. */
static struct test_vm *vm_setup_disk(struct kunit *test)
{
	if (!disk.on)
		kunit_skip(test, "needs swap on a disk of its own");
	return vm_setup_swap(test);
}

static int file_page_out(struct test_file *file)
{
	return memfile_page_out(&file->mf, 0, TEST_PAGES);
}

static void file_expect_swapped(struct test_file *file, long nr)
{
	long n = 0;
	int i;

	for (i = 0; i < TEST_PAGES; i++)
		n += xa_is_value(xa_load(&file->mapping->i_pages, i));
	KUNIT_EXPECT_EQ(file->test, n, nr);
	KUNIT_EXPECT_EQ(file->test, atomic_long_read(&file->mf.swapped), nr);
	expect_swap_used(file->test, nr);
}

static void swapped_index_comes_back_as_it_was(struct kunit *test)
{
	struct test_vm *vm = vm_setup_swap(test);

	vm_write(vm, 3, ~TEST_VALUE);
	KUNIT_EXPECT_EQ(test, file_page_out(vm->file), 0);
	file_expect_swapped(vm->file, 2);
	KUNIT_EXPECT_EQ(test, vm->file->mapping->nrpages, 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&vm->file->mf.swapout), 2);

	KUNIT_EXPECT_TRUE(test, vm_sees(vm, 3, ~TEST_VALUE));
	file_expect_swapped(vm->file, 1);
	KUNIT_EXPECT_TRUE(test, vm_sees(vm, 0, TEST_VALUE));
	file_expect_swapped(vm->file, 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&vm->file->mf.swapin), 2);
}

static void swapping_out_unmaps_and_flushes_every_consumer(struct kunit *test)
{
	struct test_vm *vm = vm_setup_swap(test);
	struct test_vm *other = vm_attach(vm->file, &plain_ops, CAPS_SWAP);

	KUNIT_EXPECT_TRUE(test, vm_sees(other, 0, TEST_VALUE));
	KUNIT_EXPECT_EQ(test, file_page_out(vm->file), 0);
	KUNIT_EXPECT_EQ(test, vm->unmaps, 1);
	KUNIT_EXPECT_EQ(test, vm->tlb[0], 0);
	KUNIT_EXPECT_EQ(test, other->unmaps, 1);
	KUNIT_EXPECT_EQ(test, other->tlb[0], 0);
}

/* The guest writes with what its TLB has, after the unmap. */
static void write_late(struct test_vm *vm)
{
	vm_write(vm, 0, ~TEST_VALUE);
}

static void late_write_is_in_swap(struct kunit *test)
{
	struct test_vm *vm = vm_setup_swap(test);

	vm->hook_op = OP_FLUSH;
	vm->hook = write_late;
	KUNIT_EXPECT_EQ(test, file_page_out(vm->file), 0);
	vm->hook = NULL;
	file_expect_swapped(vm->file, 1);
	KUNIT_EXPECT_TRUE(test, vm_sees(vm, 0, ~TEST_VALUE));
}

/* A fault has looked the folio up, and maps it later. */
static void take_reference(struct test_vm *vm)
{
	folio_get(vm->hook_folio);
	vm->hook = NULL;
}

static void folio_in_use_stays(struct kunit *test)
{
	struct test_vm *vm = vm_setup_swap(test);

	vm->hook_folio = pfn_folio(file_pfn(vm->file, 0));
	vm->hook_op = OP_UNMAP;
	vm->hook = take_reference;
	KUNIT_EXPECT_EQ(test, file_page_out(vm->file), -EBUSY);
	file_expect_swapped(vm->file, 0);
	KUNIT_EXPECT_TRUE(test, folio_test_dirty(vm->hook_folio));
	KUNIT_EXPECT_FALSE(test, folio_test_swapcache(vm->hook_folio));
	folio_put(vm->hook_folio);

	KUNIT_EXPECT_EQ(test, file_page_out(vm->file), 0);
	file_expect_swapped(vm->file, 1);
	KUNIT_EXPECT_TRUE(test, vm_sees(vm, 0, TEST_VALUE));
}

static void consumer_is_asked_again_before_swapping_out(struct kunit *test)
{
	struct test_vm *vm = vm_setup_swap(test);

	vm->caps = MEMFILE_CAP_MOVE;
	KUNIT_EXPECT_EQ(test, file_page_out(vm->file), -EBUSY);
	KUNIT_EXPECT_EQ(test, vm->unmaps, 0);
	file_expect_swapped(vm->file, 0);
}

static void punched_index_is_absent(struct kunit *test)
{
	struct test_vm *vm = vm_setup_swap(test);

	KUNIT_EXPECT_EQ(test, file_page_out(vm->file), 0);
	file_expect_swapped(vm->file, 1);
	memfile_punch(&vm->file->mf, 0, TEST_PAGES);
	file_expect_swapped(vm->file, 0);
	KUNIT_EXPECT_TRUE(test, vm_sees(vm, 0, 0));
}

static void never_exposed_index_comes_back_as_zeroes(struct kunit *test)
{
	struct test_vm *vm = vm_setup_swap(test);

	KUNIT_EXPECT_EQ(test, memfile_allocate(&vm->file->mf, 1, 2), 0);
	KUNIT_EXPECT_EQ(test, file_page_out(vm->file), 0);
	file_expect_swapped(vm->file, 2);
	KUNIT_EXPECT_TRUE(test, vm_sees(vm, 1, 0));
}

static void allocating_brings_in(struct kunit *test)
{
	struct test_vm *vm = vm_setup_swap(test);

	KUNIT_EXPECT_EQ(test, file_page_out(vm->file), 0);
	KUNIT_EXPECT_EQ(test, memfile_allocate(&vm->file->mf, 0, 2), 0);
	file_expect_swapped(vm->file, 0);
	KUNIT_EXPECT_EQ(test, vm->file->mapping->nrpages, 2);
	KUNIT_EXPECT_TRUE(test, vm_sees(vm, 0, TEST_VALUE));
}

static void intolerant_consumer_has_all_brought_in(struct kunit *test)
{
	struct test_vm *vm = vm_setup_swap(test);
	struct test_vm *rigid = vm_create(vm->file, &plain_ops,
					  MEMFILE_CAP_MOVE);

	KUNIT_EXPECT_EQ(test, file_page_out(vm->file), 0);
	KUNIT_EXPECT_EQ(test, vm_register(rigid), 0);
	KUNIT_EXPECT_EQ(test, vm->file->mf.caps, MEMFILE_CAP_MOVE);
	KUNIT_EXPECT_TRUE(test, mapping_unevictable(vm->file->mapping));
	file_expect_swapped(vm->file, 0);
	KUNIT_EXPECT_TRUE(test, vm_sees(vm, 0, TEST_VALUE));
	KUNIT_EXPECT_EQ(test, file_page_out(vm->file), -EBUSY);

	vm_detach(rigid);
	KUNIT_EXPECT_EQ(test, vm->file->mf.caps, CAPS_SWAP);
	KUNIT_EXPECT_FALSE(test, mapping_unevictable(vm->file->mapping));
	KUNIT_EXPECT_EQ(test, file_page_out(vm->file), 0);
	file_expect_swapped(vm->file, 1);
}

/* What cannot move comes back to another page from swap, so it cannot either. */
static void unmovable_consumer_has_all_brought_in(struct kunit *test)
{
	struct test_vm *vm = vm_setup_swap(test);
	struct test_vm *rigid = vm_create(vm->file, &plain_ops,
					  MEMFILE_CAP_SWAP);

	KUNIT_EXPECT_EQ(test, file_page_out(vm->file), 0);
	KUNIT_EXPECT_EQ(test, vm_register(rigid), 0);
	KUNIT_EXPECT_EQ(test, vm->file->mf.caps, 0);
	file_expect_movable(vm->file, false);
	file_expect_swapped(vm->file, 0);
	KUNIT_EXPECT_TRUE(test, vm_sees(vm, 0, TEST_VALUE));
}

static void what_only_a_consumer_can_move_is_not_swapped(struct kunit *test)
{
	struct test_file *file = file_create(test, CAPS_SWAP);

	vm_attach(file, &sealed_ops, CAPS_SWAP);
	KUNIT_EXPECT_EQ(test, file->mf.caps, MEMFILE_CAP_MOVE);
	KUNIT_EXPECT_TRUE(test, mapping_unevictable(file->mapping));
}

static struct folio *load_fails(struct memfile *mf, pgoff_t index,
				swp_entry_t entry, struct swap_info_struct *si,
				unsigned int state)
{
	return ERR_PTR(-ENOMEM);
}

static void narrowing_without_memory_leaves_all_as_it_was(struct kunit *test)
{
	struct test_vm *vm = vm_setup_swap(test);
	struct test_vm *rigid = vm_create(vm->file, &plain_ops, 0);

	KUNIT_EXPECT_EQ(test, file_page_out(vm->file), 0);
	kunit_activate_static_stub(test, memfile_load_swap, load_fails);
	KUNIT_EXPECT_EQ(test, vm_fault(vm, 0), -ENOMEM);
	KUNIT_EXPECT_EQ(test, vm_register(rigid), -ENOMEM);
	kunit_deactivate_static_stub(test, memfile_load_swap);

	KUNIT_EXPECT_EQ(test, vm->file->mf.caps, CAPS_SWAP);
	KUNIT_EXPECT_FALSE(test, mapping_unevictable(vm->file->mapping));
	file_expect_swapped(vm->file, 1);
	KUNIT_EXPECT_TRUE(test, vm_sees(vm, 0, TEST_VALUE));
}

/* A read error, as the block layer leaves it. */
static struct folio *load_unreadable(struct memfile *mf, pgoff_t index,
				     swp_entry_t entry,
				     struct swap_info_struct *si,
				     unsigned int state)
{
	struct folio *folio;

	kunit_deactivate_static_stub(kunit_get_current_test(),
				     memfile_load_swap);
	folio = memfile_load_swap(mf, index, entry, si, state);
	if (!IS_ERR(folio))
		folio_clear_uptodate(folio);
	return folio;
}

static void unreadable_index_is_poisoned_until_it_is_punched(struct kunit *test)
{
	struct test_vm *vm = vm_setup_swap(test);

	vm_write(vm, 1, TEST_VALUE);
	KUNIT_EXPECT_EQ(test, file_page_out(vm->file), 0);
	kunit_activate_static_stub(test, memfile_load_swap, load_unreadable);
	KUNIT_EXPECT_EQ(test, vm_fault(vm, 0), -EHWPOISON);

	KUNIT_EXPECT_EQ(test, vm_fault(vm, 0), -EHWPOISON);
	KUNIT_EXPECT_EQ(test, memfile_allocate(&vm->file->mf, 0, 1), 0);
	KUNIT_EXPECT_EQ(test, vm_fault(vm, 0), -EHWPOISON);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&vm->file->mf.swapped), 1);
	expect_swap_used(test, 1);
	KUNIT_EXPECT_TRUE(test, vm_sees(vm, 1, TEST_VALUE));

	memfile_punch(&vm->file->mf, 0, 1);
	file_expect_swapped(vm->file, 0);
	KUNIT_EXPECT_TRUE(test, vm_sees(vm, 0, 0));
}

/* memory_failure() gave up on it, as it was isolated. */
static void isolated_poisoned_folio_is_unmapped_by_reclaim(struct kunit *test)
{
	struct test_vm *vm;
	unsigned long pfn;
	LIST_HEAD(list);

	need_hwpoison(test);
	vm = vm_setup_swap(test);
	pfn = file_pfn(vm->file, 0);
	lru_add_drain_all();
	KUNIT_ASSERT_TRUE(test, file_isolate(vm->file, 0, &list));
	poison(test, pfn_folio(pfn));
	reclaim_pages(&list);

	KUNIT_EXPECT_FALSE(test, vm_maps(vm, pfn));
	KUNIT_EXPECT_EQ(test, vm_fault(vm, 0), -EHWPOISON);
	file_expect_swapped(vm->file, 0);
}

static void access_by_a_consumer_is_reported_once(struct kunit *test)
{
	struct test_vm *vm = vm_setup_swap(test);
	struct folio *folio = memfile_get_folio(&vm->file->mf, 0,
						TASK_UNINTERRUPTIBLE);
	bool first, again, never;

	KUNIT_ASSERT_FALSE(test, IS_ERR(folio));
	never = memfile_folio_young(folio);
	vm->accessed[0] = true;
	first = memfile_folio_young(folio);
	again = memfile_folio_young(folio);
	folio_unlock(folio);
	folio_put(folio);

	KUNIT_EXPECT_FALSE(test, never);
	KUNIT_EXPECT_TRUE(test, first);
	KUNIT_EXPECT_FALSE(test, again);
}

/* The lock of a folio in the swap cache is held while it is read. */
static void read_need_not_be_waited_for(struct kunit *test)
{
	struct test_vm *vm = vm_setup_swap(test);
	struct memfile *mf = &vm->file->mf;
	struct swap_info_struct *si;
	struct folio *folio, *found;
	swp_entry_t entry;

	KUNIT_ASSERT_EQ(test, file_page_out(vm->file), 0);
	entry = radix_to_swp_entry(xa_load(&vm->file->mapping->i_pages, 0));
	si = get_swap_device(entry);
	KUNIT_ASSERT_NOT_NULL(test, si);
	folio = memfile_load_swap(mf, 0, entry, si, TASK_UNINTERRUPTIBLE);
	put_swap_device(si);
	KUNIT_ASSERT_FALSE(test, IS_ERR(folio));

	found = memfile_get_folio(mf, 0, TASK_RUNNING);
	folio_unlock(folio);
	folio_put(folio);
	KUNIT_EXPECT_PTR_EQ(test, found, ERR_PTR(-EAGAIN));
	file_expect_swapped(vm->file, 1);

	memfile_bring_in(mf, 0);
	file_expect_swapped(vm->file, 0);
	KUNIT_EXPECT_TRUE(test, vm_sees(vm, 0, TEST_VALUE));
}

static void bringing_in_what_is_absent_allocates_nothing(struct kunit *test)
{
	struct test_vm *vm = vm_setup_swap(test);

	memfile_bring_in(&vm->file->mf, 0);
	memfile_bring_in(&vm->file->mf, 1);
	KUNIT_EXPECT_EQ(test, vm->file->mapping->nrpages, 1);
	KUNIT_EXPECT_TRUE(test, vm_sees(vm, 0, TEST_VALUE));
}

/* What happens to index 0 while it is brought in. */

static void race_punch(struct memfile *mf)
{
	memfile_punch(mf, 0, 1);
}

static void race_bring_in(struct memfile *mf)
{
	memfile_bring_in(mf, 0);
}

static const struct load_race {
	const char *name;
	void (*before)(struct memfile *mf);
	int error;
	void (*after)(struct memfile *mf);
	u64 value;
} load_races[] = {
	{ "punched_before_it_is_read", .before = race_punch },
	{ "punched_when_it_has_been_read", .after = race_punch },
	{ "punched_and_not_read", .error = -ENOMEM, .after = race_punch },
	{ "brought_in_by_another", .before = race_bring_in,
	  .value = TEST_VALUE },
};

KUNIT_ARRAY_PARAM_DESC(load_race, load_races, name);

static struct folio *raced_folio;

static struct folio *load_raced(struct memfile *mf, pgoff_t index,
				swp_entry_t entry, struct swap_info_struct *si,
				unsigned int state)
{
	struct kunit *test = kunit_get_current_test();
	const struct load_race *race = test->param_value;
	struct folio *folio;

	kunit_deactivate_static_stub(test, memfile_load_swap);
	if (race->before)
		race->before(mf);
	folio = race->error ? ERR_PTR(race->error) :
		memfile_load_swap(mf, index, entry, si, state);
	if (race->after)
		race->after(mf);

	raced_folio = IS_ERR(folio) ? NULL : folio;
	if (raced_folio)
		folio_get(raced_folio);
	return folio;
}

/* The swap cache may have it still, but nobody else. */
static void free_raced_folio(struct kunit *test)
{
	if (!raced_folio)
		return;

	folio_lock(raced_folio);
	KUNIT_EXPECT_TRUE(test, folio_free_swap(raced_folio));
	folio_unlock(raced_folio);
	folio_put(raced_folio);
}

static void index_that_changes_while_it_is_brought_in(struct kunit *test)
{
	const struct load_race *race = test->param_value;
	struct test_vm *vm = vm_setup_swap(test);

	KUNIT_EXPECT_EQ(test, file_page_out(vm->file), 0);
	kunit_activate_static_stub(test, memfile_load_swap, load_raced);
	KUNIT_EXPECT_TRUE(test, vm_sees(vm, 0, race->value));
	free_raced_folio(test);
	file_expect_swapped(vm->file, 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&vm->file->mf.swapin),
			!!race->value);
}

/* Others take all that was left of swap. */

static struct folio *taker[DISK_PAGES];

static bool take_slot(struct folio *folio)
{
	folio_lock(folio);
	folio_mark_uptodate(folio);
	folio_set_swapbacked(folio);
	if (!mem_cgroup_charge(folio, NULL, GFP_KERNEL) &&
	    !folio_alloc_swap(folio))
		return true;

	folio_unlock(folio);
	return false;
}

static void take_swap(struct test_vm *vm)
{
	struct folio *folio;
	int i;

	vm->hook = NULL;
	for (i = 0; get_nr_swap_pages(); i++) {
		folio = folio_alloc(GFP_KERNEL, 0);
		if (!folio)
			break;
		if (!take_slot(folio)) {
			folio_put(folio);
			break;
		}
		taker[i] = folio;
	}
}

static void give_swap_back(void)
{
	int i;

	for (i = 0; taker[i]; i++) {
		swap_cache_del_folio(taker[i]);
		folio_unlock(taker[i]);
		folio_put(taker[i]);
		taker[i] = NULL;
	}
}

static void vm_expect_not_swapped(struct test_vm *vm)
{
	struct folio *folio = pfn_folio(file_pfn(vm->file, 0));

	file_expect_swapped(vm->file, 0);
	KUNIT_EXPECT_EQ(vm->test, atomic_long_read(&vm->file->mf.swapout), 0);
	KUNIT_EXPECT_EQ(vm->test, vm->file->mapping->nrpages, 1);
	KUNIT_EXPECT_TRUE(vm->test, folio_test_dirty(folio));
	KUNIT_EXPECT_FALSE(vm->test, folio_test_swapcache(folio));
	KUNIT_EXPECT_TRUE(vm->test, vm_sees(vm, 0, TEST_VALUE));
}

/* Whether the page can go now, as nothing stands in its way any more. */
static void vm_expect_swaps(struct test_vm *vm)
{
	KUNIT_EXPECT_EQ(vm->test, file_page_out(vm->file), 0);
	file_expect_swapped(vm->file, 1);
	KUNIT_EXPECT_TRUE(vm->test, vm_sees(vm, 0, TEST_VALUE));
	file_expect_swapped(vm->file, 0);
}

static void folio_stays_if_swap_runs_out_meanwhile(struct kunit *test)
{
	struct test_vm *vm = vm_setup_disk(test);

	vm->hook_op = OP_FLUSH;
	vm->hook = take_swap;
	KUNIT_EXPECT_EQ(test, file_page_out(vm->file), -ENOSPC);
	/* Others that are full are not asked. */
	KUNIT_EXPECT_EQ(test, file_page_out(vm->file), -ENOSPC);
	KUNIT_EXPECT_EQ(test, vm->unmaps, 1);
	give_swap_back();
	vm_expect_not_swapped(vm);
	vm_expect_swaps(vm);
}

#if defined(CONFIG_MEMCG) && defined(CONFIG_ZSWAP)
/* While the kernel boots zswap has no pool yet, and what it refuses stays. */
static void zswap_refuse(bool refuse)
{
	char arg[32];

	snprintf(arg, sizeof(arg), "zswap.enabled=%d", refuse);
	parse_args("memfile_test", arg, __start___param,
		   __stop___param - __start___param, -1, -1, NULL, NULL);
	WRITE_ONCE(root_mem_cgroup->zswap_writeback, !refuse);
}

static void refused_folio_is_put_back(struct kunit *test)
{
	struct test_vm *vm = vm_setup_disk(test);

	zswap_refuse(true);
	KUNIT_EXPECT_EQ(test, file_page_out(vm->file), -EBUSY);
	zswap_refuse(false);
	KUNIT_EXPECT_EQ(test, vm->unmaps, 1);
	vm_expect_not_swapped(vm);
	vm_expect_swaps(vm);
}
#else
static void refused_folio_is_put_back(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_MEMCG and CONFIG_ZSWAP");
}
#endif

static void unwritten_folio_is_not_lost(struct kunit *test)
{
	struct test_vm *vm = vm_setup_disk(test);

	disk.failures[WRITE] = UINT_MAX;
	KUNIT_EXPECT_EQ(test, file_page_out(vm->file), -EIO);
	file_expect_swapped(vm->file, 1);
	disk.failures[WRITE] = 0;

	/* What is on the disk is not it. */
	disk.failures[READ] = UINT_MAX;
	KUNIT_EXPECT_TRUE(test, vm_sees(vm, 0, TEST_VALUE));
	file_expect_swapped(vm->file, 0);
	disk.failures[READ] = 0;
	vm_expect_swaps(vm);
}

static void read_that_fails_for_neighbours_is_tried_alone(struct kunit *test)
{
	struct test_vm *vm = vm_setup_disk(test);

	vm_write(vm, 1, ~TEST_VALUE);
	KUNIT_EXPECT_EQ(test, file_page_out(vm->file), 0);
	disk.failures[READ] = 1;
	KUNIT_EXPECT_TRUE(test, vm_sees(vm, 0, TEST_VALUE));
	KUNIT_EXPECT_EQ(test, disk.failures[READ], 0);
	KUNIT_EXPECT_TRUE(test, vm_sees(vm, 1, ~TEST_VALUE));
	file_expect_swapped(vm->file, 0);
}

/*
 * Before it is read alone somebody else begins to read it with its neighbours,
 * which fails again.
 */
static struct folio *read_swap_too_late(struct memfile *mf, pgoff_t index,
					swp_entry_t entry, bool alone)
{
	struct kunit *test = kunit_get_current_test();
	struct folio *folio;

	kunit_deactivate_static_stub(test, memfile_read_swap);
	if (alone) {
		disk.failures[READ] = 1;
		folio = memfile_read_swap(mf, index, entry, false);
		KUNIT_ASSERT_FALSE(test, IS_ERR(folio));
		folio_put(folio);
	}
	folio = memfile_read_swap(mf, index, entry, alone);
	if (!alone)
		kunit_activate_static_stub(test, memfile_read_swap,
					   read_swap_too_late);
	return folio;
}

static void failed_read_of_somebody_else_is_not_the_last(struct kunit *test)
{
	struct test_vm *vm = vm_setup_disk(test);

	vm_write(vm, 1, ~TEST_VALUE);
	KUNIT_EXPECT_EQ(test, file_page_out(vm->file), 0);
	disk.failures[READ] = 1;
	kunit_activate_static_stub(test, memfile_read_swap, read_swap_too_late);
	KUNIT_EXPECT_TRUE(test, vm_sees(vm, 0, TEST_VALUE));
	KUNIT_EXPECT_EQ(test, disk.failures[READ], 0);
	KUNIT_EXPECT_TRUE(test, vm_sees(vm, 1, ~TEST_VALUE));
	file_expect_swapped(vm->file, 0);
}

static void read_error_poisons_one_index(struct kunit *test)
{
	struct test_vm *vm = vm_setup_disk(test);

	vm_write(vm, 1, ~TEST_VALUE);
	KUNIT_EXPECT_EQ(test, file_page_out(vm->file), 0);
	disk.failures[READ] = UINT_MAX;
	KUNIT_EXPECT_EQ(test, vm_fault(vm, 0), -EHWPOISON);
	disk.failures[READ] = 0;

	KUNIT_EXPECT_EQ(test, vm_fault(vm, 0), -EHWPOISON);
	expect_swap_used(test, 1);
	KUNIT_EXPECT_TRUE(test, vm_sees(vm, 1, ~TEST_VALUE));
	expect_swap_used(test, 0);
	KUNIT_EXPECT_EQ(test, vm_fault(vm, 0), -EHWPOISON);
}

static void prefetched_index_is_not_read_again(struct kunit *test)
{
	struct test_vm *vm = vm_setup_disk(test);

	KUNIT_EXPECT_EQ(test, file_page_out(vm->file), 0);
	memfile_prefetch(&vm->file->mf, 0, TEST_PAGES);
	file_expect_swapped(vm->file, 1);
	disk.failures[READ] = UINT_MAX;
	KUNIT_EXPECT_TRUE(test, vm_sees(vm, 0, TEST_VALUE));
	file_expect_swapped(vm->file, 0);
}

static void swapoff_brings_in_all_that_can_be_read(struct kunit *test)
{
	struct test_vm *vm = vm_setup_disk(test);
	struct test_vm *other = vm_setup_disk(test);
	void *value;

	KUNIT_EXPECT_EQ(test, file_page_out(vm->file), 0);
	KUNIT_EXPECT_EQ(test, file_page_out(other->file), 0);
	value = xa_load(&vm->file->mapping->i_pages, 0);
	KUNIT_ASSERT_TRUE(test, xa_is_value(value));

	/* The file that was added last comes first: with neighbours, and alone. */
	disk.failures[READ] = 2;
	KUNIT_EXPECT_EQ(test, 0,
			memfile_unuse(swp_type(radix_to_swp_entry(value))));
	KUNIT_EXPECT_EQ(test, disk.failures[READ], 0);
	file_expect_swapped(vm->file, 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&other->file->mf.swapped), 0);
	KUNIT_EXPECT_EQ(test, vm_fault(other, 0), -EHWPOISON);
	KUNIT_EXPECT_TRUE(test, vm_sees(vm, 0, TEST_VALUE));
}

static struct kunit_case memfile_swap_cases[] = {
	KUNIT_CASE(swapped_index_comes_back_as_it_was),
	KUNIT_CASE(swapping_out_unmaps_and_flushes_every_consumer),
	KUNIT_CASE(late_write_is_in_swap),
	KUNIT_CASE(folio_in_use_stays),
	KUNIT_CASE(consumer_is_asked_again_before_swapping_out),
	KUNIT_CASE(punched_index_is_absent),
	KUNIT_CASE(never_exposed_index_comes_back_as_zeroes),
	KUNIT_CASE(allocating_brings_in),
	KUNIT_CASE(intolerant_consumer_has_all_brought_in),
	KUNIT_CASE(unmovable_consumer_has_all_brought_in),
	KUNIT_CASE(what_only_a_consumer_can_move_is_not_swapped),
	KUNIT_CASE(narrowing_without_memory_leaves_all_as_it_was),
	KUNIT_CASE(unreadable_index_is_poisoned_until_it_is_punched),
	KUNIT_CASE(isolated_poisoned_folio_is_unmapped_by_reclaim),
	KUNIT_CASE(access_by_a_consumer_is_reported_once),
	KUNIT_CASE(read_need_not_be_waited_for),
	KUNIT_CASE(bringing_in_what_is_absent_allocates_nothing),
	KUNIT_CASE_PARAM(index_that_changes_while_it_is_brought_in,
			 load_race_gen_params),
	KUNIT_CASE(folio_stays_if_swap_runs_out_meanwhile),
	KUNIT_CASE(refused_folio_is_put_back),
	KUNIT_CASE(unwritten_folio_is_not_lost),
	KUNIT_CASE(read_that_fails_for_neighbours_is_tried_alone),
	KUNIT_CASE(failed_read_of_somebody_else_is_not_the_last),
	KUNIT_CASE(read_error_poisons_one_index),
	KUNIT_CASE(prefetched_index_is_not_read_again),
	KUNIT_CASE(swapoff_brings_in_all_that_can_be_read),
	{}
};

static struct kunit_suite memfile_swap_suite = {
	.name = "memfile_swap",
	.suite_init = swap_suite_init,
	.suite_exit = swap_suite_exit,
	.init = swap_begin,
	.test_cases = memfile_swap_cases,
};

kunit_test_suite(memfile_swap_suite);

#endif /* CONFIG_MEMFILE_SWAP */

kunit_test_suites(&memfile_suite, &memfile_migrate_suite);
