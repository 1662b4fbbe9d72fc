// SPDX-License-Identifier: GPL-2.0
/*
 * memfile core: storage, consumers, capabilities.
 */

/**
 * DOC: memfile
 *
 * A struct memfile is the physical storage behind one inode.  Its folios come
 * from a backing store and live in the page cache of the inode's mapping, the
 * only copy of their contents; therefore they are always dirty, or
 * mapping_evict_folio() (drop_caches, soft offline) would free them.
 *
 * A struct memfile_notifier is one consumer's view of it, for KVM one per VM
 * and file.  A consumer has translations of its own to the folios, which no
 * page table of a process shows.
 *
 * What may happen to a file's folios is the intersection of what was asked for
 * at creation, what the store can bear, and what every consumer tolerates.
 *
 * An index of a memfile is in exactly one state:
 *
 * absent
 *   nothing in i_pages; memfile_get_folio() makes it resident
 * resident
 *   a folio in i_pages
 * swapped
 *   a swap entry in i_pages; memfile_get_folio() makes it resident
 * poisoned
 *   a folio in i_pages with PG_hwpoison, or a poison marker where swap could not
 *   be read; -EHWPOISON to whoever asks, until the index is punched
 */

/*
 * Lock order
 *
 * mapping->invalidate_lock	(memfile_punch(), memfile_allocate(), consumers)
 *   folio lock			(memfile_get_folio(); held on entry by migration,
 *				 reclaim and memory_failure())
 *     memfile_srcu, kvm->srcu	(the latter by faults outside the folio lock,
 *				 too: nobody waits for it with a folio locked)
 *       invalidate_lock	(tried, but never waited for, where a consumer
 *				 turns out not to be able to relocate)
 *       sev_cmd_mutex		(tried, but never waited for, in a consumer's
 *				 relocate; kept until its release)
 *       kvm->mmu_lock		(in a consumer's unmap)
 *         i_pages lock		(__folio_migrate_mapping())
 *       swap cluster lock	(in the swap cache)
 *       memfile_swaplist_lock	(memfile_writeout(), memfile_unuse())
 *
 * invalidate_lock: held exclusively it owns the list of notifiers and the
 *	capabilities, and keeps consumers' bindings stable while a range is
 *	punched.
 *
 * folio lock: whoever looks a folio up to translate to it holds its lock, so
 *	that nobody begins to use a folio on its way to another place.  It is
 *	waited for without a reference, which would make the move fail.
 *
 * memfile_srcu: keeps notifiers alive for those who arrive with a folio lock
 *	and must not wait for invalidate_lock any more, and the file for those
 *	who have replaced its folio by a swap entry.
 */
#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/export.h>
#include <linux/fadvise.h>
#include <linux/fs.h>
#include <linux/memcontrol.h>
#include <linux/memfile.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/rculist.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/swapops.h>

#define CREATE_TRACE_POINTS
#include <trace/events/memfile.h>

#include "../internal.h"
#include "internal.h"

DEFINE_SRCU(memfile_srcu);

#ifdef CONFIG_LOCKDEP
struct lockdep_map memfile_folio_lock_map =
	STATIC_LOCKDEP_MAP_INIT("memfile folio", &memfile_folio_lock_map);
#endif

/* Consumers */

/*
 * Take @folio, which is locked, away from all consumers.  Its contents may
 * still change until memfile_flush().
 */
void memfile_unmap_folio(struct memfile *mf, struct folio *folio)
{
	pgoff_t start = folio->index;
	pgoff_t end = start + folio_nr_pages(folio);
	struct memfile_notifier *n;

	VM_WARN_ON_ONCE_FOLIO(!folio_test_locked(folio), folio);

	memfile_for_each_notifier(n, mf)
		n->ops->unmap(n, start, end);
}

/* Complete what memfile_unmap_folio() has begun, for any number of folios. */
void memfile_flush(struct memfile *mf)
{
	struct memfile_notifier *n;

	memfile_for_each_notifier(n, mf)
		n->ops->flush(n);

	trace_memfile_flush(mf);
}

/* Capabilities */

/* The file has @cap, but a consumer may have changed since that was decided. */
bool memfile_tolerated(struct memfile *mf, unsigned long cap)
{
	struct memfile_notifier *n;

	memfile_for_each_notifier(n, mf) {
		if (!(n->ops->caps(n) & cap))
			return false;
	}
	return true;
}

static void memfile_widen(struct memfile *mf, unsigned long caps)
{
	if (caps & MEMFILE_CAP_MOVE) {
		mapping_set_gfp_mask(mf->mapping, GFP_HIGHUSER_MOVABLE);
		mapping_clear_unmovable(mf->mapping);
	}
	if (caps & MEMFILE_CAP_SWAP)
		memfile_make_swappable(mf);
}

/* What is brought in from swap may have to be moved then. */
static int memfile_narrow(struct memfile *mf, unsigned long caps)
{
	int ret = 0;

	if (caps & MEMFILE_CAP_SWAP)
		ret = memfile_make_unswappable(mf);
	if (!ret && (caps & MEMFILE_CAP_MOVE)) {
		ret = memfile_make_unmovable(mf);
		if (ret)
			memfile_widen(mf, caps & MEMFILE_CAP_SWAP);
	}
	return ret;
}

/*
 * What only one consumer could transfer stays where it is, in ZONE_MOVABLE, too,
 * since that one is gone, or cannot do it after all.  Nothing is in swap: no file
 * with such a consumer is swapped.
 */
void memfile_stay(struct memfile *mf)
{
	lockdep_assert_held_write(&mf->mapping->invalidate_lock);

	trace_memfile_caps(mf, mf->caps, 0);
	WRITE_ONCE(mf->asked, 0);
	WRITE_ONCE(mf->caps, 0);
	mapping_set_unmovable(mf->mapping);
	mapping_set_gfp_mask(mf->mapping, GFP_HIGHUSER);
}

/* Called with a consumer added, removed or changed. */
static int memfile_update_caps(struct memfile *mf)
{
	struct memfile_notifier *n, *relocator = NULL;
	unsigned long caps = mf->asked & mf->store->caps;
	int ret;

	lockdep_assert_held_write(&mf->mapping->invalidate_lock);

	memfile_for_each_notifier(n, mf) {
		caps &= n->ops->caps(n);

		if (!n->ops->relocate)
			continue;
		/* Contents cannot go two ways. */
		if (relocator)
			caps &= ~MEMFILE_CAP_MOVE;
		/* Nor can the CPU read what only a consumer can move. */
		caps &= ~MEMFILE_CAP_SWAP;
		relocator = n;
	}
	if (!(caps & MEMFILE_CAP_MOVE))
		caps &= ~MEMFILE_CAP_SWAP;

	ret = memfile_narrow(mf, mf->caps & ~caps);
	if (ret)
		return ret;
	memfile_widen(mf, caps & ~mf->caps);

	if (caps != mf->caps)
		trace_memfile_caps(mf, mf->caps, caps);
	WRITE_ONCE(mf->caps, caps);
	WRITE_ONCE(mf->relocator, relocator);
	return 0;
}

/**
 * memfile_notifier_register - make a consumer known to a file
 * @mf: the file
 * @n: the consumer, with its ops set
 *
 * If the consumer tolerates less than the file could do so far, the file is
 * narrowed first: what is in swap is brought in, and folios in ZONE_MOVABLE or
 * CMA are moved out, since they could not be later.
 *
 * Context: Takes invalidate_lock.  May sleep.
 * Return: 0; -EBUSY or -ENOMEM if a folio could not be moved out or brought in,
 * -EINTR if the caller is being killed; then the file is as it was.
 */
int memfile_notifier_register(struct memfile *mf, struct memfile_notifier *n)
{
	int ret;

	n->memfile = mf;

	filemap_invalidate_lock(mf->mapping);
	list_add_rcu(&n->list, &mf->notifiers);
	ret = memfile_update_caps(mf);
	filemap_invalidate_unlock(mf->mapping);

	if (ret)
		memfile_notifier_unregister(n);
	return ret;
}
EXPORT_SYMBOL_FOR_MODULES(memfile_notifier_register, "kvm");

/**
 * memfile_notifier_update - a consumer has come to tolerate more or less
 * @n: the consumer, whose caps operation returns the new value already
 *
 * Context: Takes invalidate_lock.  May sleep.
 * Return: As memfile_notifier_register().  After an error the consumer should
 * go back to what it tolerated before; meanwhile nothing moves.
 */
int memfile_notifier_update(struct memfile_notifier *n)
{
	struct memfile *mf = n->memfile;
	int ret;

	filemap_invalidate_lock(mf->mapping);
	ret = memfile_update_caps(mf);
	filemap_invalidate_unlock(mf->mapping);
	return ret;
}
EXPORT_SYMBOL_FOR_MODULES(memfile_notifier_update, "kvm");

/**
 * memfile_notifier_unregister - forget a consumer
 * @n: the consumer, which has no translations left
 *
 * What it did not tolerate may be possible again afterwards.
 *
 * Context: Takes invalidate_lock.  Waits until no operation of @n runs, so it
 * must not hold a lock that these take.
 */
void memfile_notifier_unregister(struct memfile_notifier *n)
{
	struct memfile *mf = n->memfile;

	/*
	 * A batch that has unmapped folios will not find @n when it comes to
	 * flush, and would free them while TLBs still reach them.
	 */
	n->ops->flush(n);

	filemap_invalidate_lock(mf->mapping);
	list_del_rcu(&n->list);
	if (mf->relocator == n) {
		memfile_stay(mf);
		/* Pairs with the acquire in memfile_migrate_folio(). */
		smp_store_release(&mf->relocator, NULL);
	}
	/*
	 * Where an earlier update failed this one may, too, and nothing has
	 * changed then.  Without consumers contents stay what the last one
	 * made of them, and so do the capabilities.
	 */
	if (!list_empty(&mf->notifiers))
		memfile_update_caps(mf);
	filemap_invalidate_unlock(mf->mapping);

	/* Wait for a move or memory_failure() that saw @n on the list. */
	synchronize_srcu_expedited(&memfile_srcu);
}
EXPORT_SYMBOL_FOR_MODULES(memfile_notifier_unregister, "kvm");

/**
 * memfile_notifier_synchronize - wait for those who ask a consumer for accesses
 * @n: the consumer
 *
 * Context: May sleep.  No young operation is running afterwards that ran before.
 */
void memfile_notifier_synchronize(struct memfile_notifier *n)
{
	/* Nobody asks for what is not reclaimed. */
	if (mapping_swapbacked(n->memfile->mapping))
		synchronize_srcu_expedited(&memfile_srcu);
}
EXPORT_SYMBOL_FOR_MODULES(memfile_notifier_synchronize, "kvm");

/* Storage */

/*
 * As filemap_get_entry(), but a folio is locked.  It may be locked by a move or
 * by reclaim, which a reference would defeat, so wait for it without one.
 */
static void *memfile_lock_entry(struct memfile *mf, pgoff_t index)
{
	struct folio *folio;

	might_sleep();
	memfile_might_lock_folio();

	for (;;) {
		folio = filemap_get_entry(mf->mapping, index);
		if (!folio || xa_is_value(folio))
			return folio;

		if (!folio_trylock(folio)) {
			folio_put_wait_locked(folio, TASK_UNINTERRUPTIBLE);
			continue;
		}

		/* Punched, moved or swapped before it was locked? */
		if (likely(folio->mapping == mf->mapping))
			return folio;

		folio_unlock(folio);
		folio_put(folio);
	}
}

/* May @folio stay where it is in an unmovable file?  Tests redirect this. */
bool memfile_folio_may_stay(struct folio *folio)
{
	KUNIT_STATIC_STUB_REDIRECT(memfile_folio_may_stay, folio);

	return folio_is_longterm_pinnable(folio);
}
EXPORT_SYMBOL_IF_KUNIT(memfile_folio_may_stay);

/*
 * The file may have become unmovable since the gfp mask was read for the new
 * @folio, and memfile_make_unmovable() may have looked for folios that are in
 * the way before this one was there.  One of the two sees the other.
 */
static bool memfile_folio_misplaced(struct memfile *mf, struct folio *folio)
{
	if (!READ_ONCE(mf->asked) || likely(memfile_folio_may_stay(folio)))
		return false;

	smp_mb(); /* Pairs with the one in memfile_make_unmovable(). */
	return mapping_unmovable(mf->mapping) && !folio_test_uptodate(folio);
}

/*
 * Folios that go to swap are counted and reclaimed as shmem's are.  Where a swap
 * entry has appeared meanwhile, that stays: -EEXIST.
 */
static struct folio *memfile_add_swapbacked(struct memfile *mf, pgoff_t index,
					    struct mempolicy *policy)
{
	gfp_t gfp = mapping_gfp_mask(mf->mapping);
	struct folio *folio;
	int ret;

	folio = filemap_alloc_folio(gfp, 0, policy);
	if (!folio)
		return ERR_PTR(-ENOMEM);

	__folio_set_locked(folio);
	__folio_set_swapbacked(folio);

	ret = mem_cgroup_charge(folio, NULL, gfp);
	if (!ret)
		ret = shmem_add_to_page_cache(folio, mf->mapping, index, NULL,
					      gfp);
	if (ret) {
		folio_unlock(folio);
		folio_put(folio);
		return ERR_PTR(ret);
	}

	folio_add_lru(folio);
	return folio;
}

static struct folio *memfile_create_folio(struct memfile *mf, pgoff_t index)
{
	struct address_space *mapping = mf->mapping;
	struct mempolicy *policy;
	struct folio *folio;

again:
	policy = mpol_shared_policy_lookup(&mf->policy, index);
	if (mapping_swapbacked(mapping))
		folio = memfile_add_swapbacked(mf, index, policy);
	else
		folio = __filemap_get_folio_mpol(mapping, index,
						 FGP_LOCK | FGP_CREAT,
						 mapping_gfp_mask(mapping),
						 policy);
	mpol_cond_put(policy);
	if (IS_ERR(folio))
		return folio;

	/* Consumers, and the states above, are for base pages so far. */
	VM_WARN_ON_ONCE_FOLIO(folio_test_large(folio), folio);

	if (unlikely(memfile_folio_misplaced(mf, folio))) {
		filemap_remove_folio(folio);
		folio_unlock(folio);
		folio_put(folio);
		goto again;
	}

	/*
	 * The page cache holds the only copy: never drop it as clean.  There
	 * is nothing else that noop_dirty_folio() would do.
	 */
	folio_set_dirty(folio);

	return folio;
}

/**
 * memfile_get_folio - look up, bring in or allocate the folio of an index
 * @mf: the file
 * @index: page offset in the file; the caller checks it against the size
 * @state: TASK_*, which signals interrupt waiting for a read from swap;
 *	TASK_RUNNING not to wait for it
 *
 * A new folio is not uptodate.  Whoever is about to expose its contents
 * clears it and marks it uptodate, both under the folio lock.
 *
 * Context: May sleep, and waits for the folio lock; invalidate_lock may be
 * held, but no folio of any memfile may be locked.
 * Return: The folio, locked and with a reference; ERR_PTR(-EHWPOISON) if the
 * index is poisoned, also if it has just been because swap could not be read;
 * ERR_PTR(-ENOMEM) if it is absent or swapped and there is no memory;
 * ERR_PTR(-EINTR) if it is swapped and a signal is pending; ERR_PTR(-EAGAIN) if
 * it is being read and @state is TASK_RUNNING, see memfile_bring_in().
 */
struct folio *memfile_get_folio(struct memfile *mf, pgoff_t index,
				unsigned int state)
{
	struct folio *folio;

	/* -EEXIST: the index has changed in between. */
	do {
		folio = memfile_lock_entry(mf, index);
		if (!folio)
			folio = memfile_create_folio(mf, index);
		else if (xa_is_value(folio))
			folio = memfile_swap_in(mf, index,
						radix_to_swp_entry(folio),
						state);
	} while (unlikely(folio == ERR_PTR(-EEXIST)));

	if (IS_ERR(folio))
		return folio;

	if (unlikely(folio_test_hwpoison(folio))) {
		folio_unlock(folio);
		folio_put(folio);
		return ERR_PTR(-EHWPOISON);
	}

	return folio;
}
EXPORT_SYMBOL_FOR_MODULES(memfile_get_folio, "kvm");

/**
 * memfile_allocate - make a range resident
 * @mf: the file
 * @start: first index
 * @end: first index behind the range
 *
 * Context: Takes invalidate_lock shared.  May sleep.
 * Return: 0; -EINTR if a signal is pending; -ENOMEM.  What has been allocated
 * stays.  Poisoned indices stay poisoned and are no error.
 */
int memfile_allocate(struct memfile *mf, pgoff_t start, pgoff_t end)
{
	pgoff_t index = start;
	int ret = 0;

	filemap_invalidate_lock_shared(mf->mapping);

	while (index < end) {
		struct folio *folio;

		if (signal_pending(current)) {
			ret = -EINTR;
			break;
		}

		folio = memfile_get_folio(mf, index, TASK_INTERRUPTIBLE);
		if (folio == ERR_PTR(-EHWPOISON)) {
			index++;
			continue;
		}
		if (IS_ERR(folio)) {
			ret = PTR_ERR(folio);
			break;
		}

		index = folio_next_index(folio);

		folio_unlock(folio);
		folio_put(folio);

		/* 64-bit only, wrapping the index should be impossible. */
		if (WARN_ON_ONCE(!index))
			break;

		cond_resched();
	}

	filemap_invalidate_unlock_shared(mf->mapping);
	return ret;
}
EXPORT_SYMBOL_FOR_MODULES(memfile_allocate, "kvm");

/**
 * memfile_fadvise - &file_operations.fadvise
 * @file: of a memfile
 * @offset: first byte
 * @len: number of bytes, 0 for all that follow
 * @advice: POSIX_FADV_DONTNEED writes whole pages to swap and frees them;
 *	POSIX_FADV_WILLNEED begins to read them.  Any other is as ever.
 *
 * Context: May sleep.
 * Return: 0; -EOPNOTSUPP if the file is not swappable; -EINVAL; for
 * POSIX_FADV_DONTNEED, when what could be done is done, -EBUSY if something is
 * in use, -ENOSPC if there is too little swap, or its cgroup may not use more,
 * -EIO if it could not be written, or -EINTR if the caller is being killed.
 */
int memfile_fadvise(struct file *file, loff_t offset, loff_t len, int advice)
{
	struct memfile *mf = mapping_to_memfile(file->f_mapping);
	loff_t size = i_size_read(file_inode(file));
	loff_t end;

	if (advice != POSIX_FADV_DONTNEED && advice != POSIX_FADV_WILLNEED)
		return generic_fadvise(file, offset, len, advice);

	if (!(READ_ONCE(mf->caps) & MEMFILE_CAP_SWAP))
		return -EOPNOTSUPP;
	if (offset < 0 || len < 0)
		return -EINVAL;
	if (!len || check_add_overflow(offset, len, &end) || end > size)
		end = size;

	if (advice == POSIX_FADV_WILLNEED) {
		memfile_prefetch(mf, offset >> PAGE_SHIFT,
				 DIV_ROUND_UP_ULL(end, PAGE_SIZE));
		return 0;
	}

	return memfile_page_out(mf, DIV_ROUND_UP_ULL(offset, PAGE_SIZE),
				end >> PAGE_SHIFT);
}
EXPORT_SYMBOL_FOR_MODULES(memfile_fadvise, "kvm");

/**
 * memfile_llseek - &file_operations.llseek
 * @file: of a memfile
 * @offset: where from
 * @whence: SEEK_DATA finds what is resident or swapped, SEEK_HOLE what is absent
 *	or was never exposed
 *
 * Return: The new position; -ESPIPE if the file was not created to be swapped;
 * -ENXIO or -EINVAL as lseek(2) has it.
 */
loff_t memfile_llseek(struct file *file, loff_t offset, int whence)
{
	struct address_space *mapping = file->f_mapping;
	loff_t size = i_size_read(mapping->host);

	if (!mapping_swapbacked(mapping))
		return -ESPIPE;
	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return generic_file_llseek_size(file, offset, whence,
						MAX_LFS_FILESIZE, size);
	if (offset < 0)
		return -ENXIO;

	offset = mapping_seek_hole_data(mapping, offset, size, whence);
	if (offset >= 0)
		offset = vfs_setpos(file, offset, MAX_LFS_FILESIZE);
	return offset;
}
EXPORT_SYMBOL_FOR_MODULES(memfile_llseek, "kvm");

/**
 * memfile_punch - free a range
 * @mf: the file
 * @start: first index
 * @end: first index behind the range
 *
 * All its indices are absent afterwards, poisoned ones included.
 *
 * Context: Takes invalidate_lock.  May sleep.
 */
void memfile_punch(struct memfile *mf, pgoff_t start, pgoff_t end)
{
	struct memfile_notifier *n;

	/*
	 * Consumers and their bindings must be stable across invalidation to
	 * ensure the start+end are balanced.
	 */
	filemap_invalidate_lock(mf->mapping);

	memfile_for_each_notifier(n, mf)
		n->ops->invalidate_start(n, start, end);

	memfile_might_lock_folio();
	truncate_inode_pages_range(mf->mapping, (loff_t)start << PAGE_SHIFT,
				   ((loff_t)end << PAGE_SHIFT) - 1);

	memfile_for_each_notifier(n, mf)
		n->ops->invalidate_end(n, start, end);

	filemap_invalidate_unlock(mf->mapping);
}
EXPORT_SYMBOL_FOR_MODULES(memfile_punch, "kvm");

/**
 * memfile_error_remove_folio - &address_space_operations.error_remove_folio
 * @mapping: a memfile's
 * @folio: what memory_failure() found broken
 *
 * Do not truncate the range, what action is taken in response to the error is
 * user space's decision.  The index is poisoned from now on, and nobody gets
 * the folio again.
 *
 * Context: @folio is locked.  So invalidate_lock cannot be waited for, as
 * memfile_punch() takes the two in the other order.
 * Return: MF_DELAYED.
 */
int memfile_error_remove_folio(struct address_space *mapping,
			       struct folio *folio)
{
	struct memfile *mf = mapping_to_memfile(mapping);

	memfile_folio_lock_held();
	scoped_guard(srcu, &memfile_srcu) {
		memfile_unmap_folio(mf, folio);
		memfile_flush(mf);
	}
	memfile_folio_lock_forget();

	return MF_DELAYED;
}
EXPORT_SYMBOL_FOR_MODULES(memfile_error_remove_folio, "kvm");

/* Base pages of the page allocator, charged to whoever touches them first. */
const struct memfile_backing_store memfile_page_store = {
	.caps = (IS_ENABLED(CONFIG_MIGRATION) ? MEMFILE_CAP_MOVE : 0) |
		(IS_ENABLED(CONFIG_MEMFILE_SWAP) ? MEMFILE_CAP_SWAP : 0),
};
EXPORT_SYMBOL_FOR_MODULES(memfile_page_store, "kvm");

/**
 * memfile_init - prepare the storage of a new inode
 * @mf: the file, embedded in the inode
 * @mapping: the inode's mapping, without folios, and with the memfile
 *	functions in its operations
 * @store: where folios come from
 * @asked: MEMFILE_CAP_* wanted; see memfile_request_caps()
 *
 * The file can do nothing until a consumer is registered.
 */
void memfile_init(struct memfile *mf, struct address_space *mapping,
		  const struct memfile_backing_store *store,
		  unsigned long asked)
{
	mf->mapping = mapping;
	mf->store = store;
	mf->asked = asked;
	mf->caps = 0;
	mf->narrowing = false;
	INIT_LIST_HEAD(&mf->notifiers);
	mf->relocator = NULL;
	atomic_long_set(&mf->migrated, 0);
	atomic_long_set(&mf->swapin, 0);
	atomic_long_set(&mf->swapout, 0);
	atomic_long_set(&mf->swapped, 0);
	INIT_LIST_HEAD(&mf->swaplist);
	atomic_set(&mf->unuse_visits, 0);

	mapping->host->i_private = mf;
	mapping_set_gfp_mask(mapping, GFP_HIGHUSER);
	mapping_set_inaccessible(mapping);
	mapping_set_unmovable(mapping);
	if (asked & MEMFILE_CAP_SWAP)
		mapping_set_swapbacked(mapping);
}
EXPORT_SYMBOL_FOR_MODULES(memfile_init, "kvm");

/**
 * memfile_evict_inode - &super_operations.evict_inode
 * @inode: a memfile's, or any other of its file system, as the root's
 *
 * Frees all that is resident or swapped.
 *
 * Context: May sleep.
 */
void memfile_evict_inode(struct inode *inode)
{
	truncate_inode_pages_final(inode->i_mapping);
	if (mapping_swapbacked(inode->i_mapping))
		memfile_swap_exit(inode->i_private);
	clear_inode(inode);
}
EXPORT_SYMBOL_FOR_MODULES(memfile_evict_inode, "kvm");

/**
 * memfile_show_fdinfo - the memfile lines of /proc/<pid>/fdinfo/<fd>
 * @m: where to
 * @mf: the file
 */
void memfile_show_fdinfo(struct seq_file *m, struct memfile *mf)
{
	unsigned long caps = READ_ONCE(mf->caps);

	/* Swap takes move. */
	seq_printf(m, "memfile-caps:\t%s\n",
		   caps & MEMFILE_CAP_SWAP ? "move swap" :
		   caps & MEMFILE_CAP_MOVE ? "move" : "none");
	seq_printf(m, "memfile-resident:\t%lu kB\n",
		   READ_ONCE(mf->mapping->nrpages) << (PAGE_SHIFT - 10));
	seq_printf(m, "memfile-swapped:\t%lu kB\n",
		   atomic_long_read(&mf->swapped) << (PAGE_SHIFT - 10));
	seq_printf(m, "memfile-migrated:\t%lu\n",
		   atomic_long_read(&mf->migrated));
	seq_printf(m, "memfile-swapin:\t%lu\n",
		   atomic_long_read(&mf->swapin));
	seq_printf(m, "memfile-swapout:\t%lu\n",
		   atomic_long_read(&mf->swapout));
}
EXPORT_SYMBOL_FOR_MODULES(memfile_show_fdinfo, "kvm");
