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
 * poisoned
 *   a folio in i_pages with PG_hwpoison; -EHWPOISON to whoever asks, until the
 *   index is punched
 *
 * Values in i_pages are kept for one more state, swapped.
 */

/*
 * Lock order
 *
 * mapping->invalidate_lock	(memfile_punch(), memfile_allocate(), consumers)
 *   folio lock			(memfile_get_folio(); held on entry by migration
 *				 and memory_failure())
 *     memfile_srcu, kvm->srcu
 *       kvm->mmu_lock		(in a consumer's unmap)
 *         i_pages lock		(__folio_migrate_mapping())
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
 *	and must not wait for invalidate_lock any more.
 */
#include <kunit/static_stub.h>
#include <linux/export.h>
#include <linux/memfile.h>
#include <linux/mm.h>
#include <linux/rculist.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>

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

/* Called with a consumer added, removed or changed. */
static int memfile_update_caps(struct memfile *mf)
{
	struct memfile_notifier *n, *relocator = NULL;
	unsigned long caps = mf->asked & mf->store->caps;
	int ret = 0;

	lockdep_assert_held_write(&mf->mapping->invalidate_lock);

	memfile_for_each_notifier(n, mf) {
		caps &= n->ops->caps(n);

		if (!n->ops->relocate)
			continue;
		/* Contents cannot go two ways. */
		if (relocator)
			caps &= ~MEMFILE_CAP_MOVE;
		relocator = n;
	}

	if (caps & ~mf->caps & MEMFILE_CAP_MOVE) {
		mapping_set_gfp_mask(mf->mapping, GFP_HIGHUSER_MOVABLE);
		mapping_clear_unmovable(mf->mapping);
	} else if (mf->caps & ~caps & MEMFILE_CAP_MOVE) {
		ret = memfile_make_unmovable(mf);
	}
	if (ret)
		return ret;

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
 * narrowed first: folios in ZONE_MOVABLE or CMA are moved out, since they
 * could not be later.
 *
 * Context: Takes invalidate_lock.  May sleep.
 * Return: 0; -EBUSY or -ENOMEM if a folio could not be moved out, -EINTR if the
 * caller is being killed; then the file is as it was.
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
		/* What only @n could transfer stays where it is. */
		mapping_set_unmovable(mf->mapping);
		mf->asked &= ~MEMFILE_CAP_MOVE;
		mf->caps &= ~MEMFILE_CAP_MOVE;
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

/* Storage */

/*
 * As filemap_lock_folio(), but waits for a locked folio without holding a
 * reference.  It may be locked by a move, which the reference would defeat.
 */
static struct folio *memfile_lock_folio(struct memfile *mf, pgoff_t index)
{
	struct folio *folio;

	might_sleep();
	memfile_might_lock_folio();

	for (;;) {
		folio = filemap_get_folio(mf->mapping, index);
		if (IS_ERR(folio))
			return folio;

		if (!folio_trylock(folio)) {
			folio_put_wait_locked(folio, TASK_UNINTERRUPTIBLE);
			continue;
		}

		/* Punched or moved before it was locked? */
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

/*
 * The file may have become unmovable since the gfp mask was read for the new
 * @folio, and memfile_make_unmovable() may have looked for folios that are in
 * the way before this one was there.  One of the two sees the other.
 */
static bool memfile_folio_misplaced(struct memfile *mf, struct folio *folio)
{
	if (!mf->asked || likely(memfile_folio_may_stay(folio)))
		return false;

	smp_mb(); /* Pairs with the one in memfile_make_unmovable(). */
	return mapping_unmovable(mf->mapping) && !folio_test_uptodate(folio);
}

static struct folio *memfile_create_folio(struct memfile *mf, pgoff_t index)
{
	struct address_space *mapping = mf->mapping;
	struct mempolicy *policy;
	struct folio *folio;

again:
	policy = mpol_shared_policy_lookup(&mf->policy, index);
	folio = __filemap_get_folio_mpol(mapping, index, FGP_LOCK | FGP_CREAT,
					 mapping_gfp_mask(mapping), policy);
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
 * memfile_get_folio - look up or allocate the folio of an index
 * @mf: the file
 * @index: page offset in the file; the caller checks it against the size
 *
 * A new folio is not uptodate.  Whoever is about to expose its contents
 * clears it and marks it uptodate, both under the folio lock.
 *
 * Context: May sleep, and waits for the folio lock; invalidate_lock may be
 * held, but no folio of any memfile may be locked.
 * Return: The folio, locked and with a reference; ERR_PTR(-EHWPOISON) if the
 * index is poisoned, ERR_PTR(-ENOMEM) if it is absent and there is no memory.
 */
struct folio *memfile_get_folio(struct memfile *mf, pgoff_t index)
{
	struct folio *folio;

	folio = memfile_lock_folio(mf, index);
	if (folio == ERR_PTR(-ENOENT))
		folio = memfile_create_folio(mf, index);
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

		folio = memfile_get_folio(mf, index);
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
	.caps = IS_ENABLED(CONFIG_MIGRATION) ? MEMFILE_CAP_MOVE : 0,
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

	mapping->host->i_private = mf;
	mapping_set_gfp_mask(mapping, GFP_HIGHUSER);
	mapping_set_inaccessible(mapping);
	mapping_set_unmovable(mapping);
}
EXPORT_SYMBOL_FOR_MODULES(memfile_init, "kvm");

/**
 * memfile_show_fdinfo - the memfile lines of /proc/<pid>/fdinfo/<fd>
 * @m: where to
 * @mf: the file
 */
void memfile_show_fdinfo(struct seq_file *m, struct memfile *mf)
{
	seq_printf(m, "memfile-caps:\t%s\n",
		   READ_ONCE(mf->caps) & MEMFILE_CAP_MOVE ? "move" : "none");
	seq_printf(m, "memfile-resident:\t%lu kB\n",
		   READ_ONCE(mf->mapping->nrpages) << (PAGE_SHIFT - 10));
	seq_printf(m, "memfile-migrated:\t%lu\n",
		   atomic_long_read(&mf->migrated));
}
EXPORT_SYMBOL_FOR_MODULES(memfile_show_fdinfo, "kvm");
