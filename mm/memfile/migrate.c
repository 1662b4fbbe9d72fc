// SPDX-License-Identifier: GPL-2.0
/*
 * memfile: moving folios.
 */

/**
 * DOC: Moving folios
 *
 * mm/migrate.c works in batches: it isolates and locks the folios of a batch,
 * unmaps them all, flushes once, and moves one after the other.  A memfile
 * joins in:
 *
 * 1. memfile_migrate_unmap() asks each consumer to unmap the source, or to block
 *    it if only the consumer can move it.  The source stays locked from before
 *    this until after step 4, or until memfile_migrate_undo().
 * 2. memfile_migrate_flush() flushes each consumer's TLBs once a batch.
 * 3. memfile_migrate_folio() has the contents go across, by the CPU or by the
 *    consumer's relocate, and freezes the source's refcount at what the page
 *    cache and the isolation account for.
 * 4. The destination takes the source's place in i_pages; both are unlocked.
 *
 * Races excluded, all with a fault in a consumer, which locks the folio,
 * drops the lock keeping a reference, maps the folio and drops the reference:
 *
 * - It looks the folio up after 1: it waits for the folio lock, finds that
 *   the folio has left the mapping, and looks up the destination.
 * - It has looked the folio up before 1 and not yet mapped it: unmap has made
 *   it look again (for KVM by mmu_invalidate_seq).  Its reference makes the
 *   freeze fail with -EAGAIN until it has done so.
 * - It has mapped the folio before 1: unmap removes the translation, and
 *   nobody writes to the source after 2.
 *
 * And with others:
 *
 * - memory_failure() sets PG_hwpoison, finds the folio isolated and gives up:
 *   1 and 3 look for it, and unmap.  What comes up later is in the source, which
 *   is freed.
 * - mincore() and SEEK_DATA look the destination up without its lock as soon as
 *   4 has published it: 3 marks it uptodate before.
 *
 * There is no window in which faults have to be held off other than by the
 * folio lock, hence no invalidate_start and invalidate_end.
 *
 * For mm/migrate.c -EAGAIN means that the folio is worth another try soon;
 * any other error gives it back.
 */
#include <linux/folio_batch.h>
#include <linux/hugetlb.h>
#include <linux/memfile.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/rculist.h>
#include <linux/sched/signal.h>
#include <linux/swap.h>

#include <trace/events/memfile.h>

#include "../internal.h"
#include "internal.h"

/* Rounds of moving folios out of the way before narrowing gives up. */
#define MEMFILE_NARROW_TRIES	10
/* Folios taken off the LRU at a time for that. */
#define MEMFILE_NARROW_BATCH	512

/* The page cache's reference, and the isolation's. */
static bool memfile_folio_busy(struct folio *folio)
{
	return folio_ref_count(folio) != folio_expected_ref_count(folio) + 1;
}

/*
 * While the file is made unmovable on behalf of a consumer, that one still copes
 * with moves, and needs them.
 */
static bool memfile_may_move(struct memfile *mf)
{
	return READ_ONCE(mf->narrowing) ||
	       memfile_tolerated(mf, MEMFILE_CAP_MOVE);
}

/* What mm/migrate.c moves may be no folio at all. */
static bool memfile_migrates(struct folio *folio)
{
	return !page_has_movable_ops(&folio->page) && folio_is_memfile(folio);
}

/* As memfile_unmap_folio(), but contents that firmware guards stay. */
static void memfile_unmap_for_move(struct memfile *mf, struct folio *folio)
{
	pgoff_t start = folio->index;
	pgoff_t end = start + folio_nr_pages(folio);
	struct memfile_notifier *n;

	memfile_for_each_notifier(n, mf) {
		if (n->ops->block)
			n->ops->block(n, start, end);
		else
			n->ops->unmap(n, start, end);
	}
}

/**
 * memfile_unmap_poisoned - take a broken folio away from its consumers
 * @folio: any folio with PG_hwpoison, locked
 *
 * For those who have isolated it, since memory_failure() does not handle what it
 * finds isolated.
 *
 * Context: May sleep.
 */
void memfile_unmap_poisoned(struct folio *folio)
{
	if (folio_is_memfile(folio))
		memfile_error_remove_folio(folio->mapping, folio);
}

/**
 * memfile_migrate_unmap - the unmap phase of a move
 * @src: any folio about to be moved, locked and isolated, in no page table
 *
 * Context: May sleep.
 * Return: 0, also if @src is not of a memfile; -EHWPOISON if it is broken;
 * -EOPNOTSUPP if the file is unmovable; -EAGAIN if somebody uses @src; -EBUSY
 * if a consumer has come not to tolerate moves.
 */
int memfile_migrate_unmap(struct folio *src)
{
	struct memfile *mf;
	int ret = 0;

	if (!folio_is_memfile(src))
		return 0;

	if (unlikely(folio_test_hwpoison(src))) {
		memfile_unmap_poisoned(src);
		return -EHWPOISON;
	}

	/* Spare the consumer faults over a folio that cannot move now. */
	if (mapping_unmovable(src->mapping))
		return -EOPNOTSUPP;
	if (memfile_folio_busy(src))
		return -EAGAIN;

	mf = mapping_to_memfile(src->mapping);

	memfile_folio_lock_held();
	scoped_guard(srcu, &memfile_srcu) {
		if (memfile_may_move(mf))
			memfile_unmap_for_move(mf, src);
		else
			ret = -EBUSY;
	}
	memfile_folio_lock_forget();

	return ret;
}

/**
 * memfile_migrate_flush - the flush between unmapping and moving a batch
 * @folios: list of locked folios, of memfiles or not
 *
 * Context: May sleep.
 */
void memfile_migrate_flush(struct list_head *folios)
{
	struct memfile *mf, *last = NULL;
	struct folio *folio;

	list_for_each_entry(folio, folios, lru) {
		if (!memfile_migrates(folio))
			continue;

		/* Most batches are of one file. */
		mf = mapping_to_memfile(folio->mapping);
		if (mf == last)
			continue;
		last = mf;

		memfile_folio_lock_held();
		scoped_guard(srcu, &memfile_srcu)
			memfile_flush(mf);
		memfile_folio_lock_forget();
	}
}

/**
 * memfile_migrate_undo - the move of a folio was given up
 * @src: of a memfile or not; locked ever since memfile_migrate_unmap()
 *
 * Context: May sleep.
 */
void memfile_migrate_undo(struct folio *src)
{
	struct memfile_notifier *n;

	if (!memfile_migrates(src))
		return;

	memfile_folio_lock_held();
	scoped_guard(srcu, &memfile_srcu) {
		n = READ_ONCE(mapping_to_memfile(src->mapping)->relocator);
		if (n)
			n->ops->unblock(n, src->index, folio_next_index(src));
	}
	memfile_folio_lock_forget();
}

static void memfile_leak(struct folio *folio)
{
	pr_err_ratelimited("memfile: pfn %#lx is leaked\n", folio_pfn(folio));
	folio_get(folio);
}

/* Who holds the lock may be waiting for the folio lock: then the next move. */
static void memfile_try_stay(struct memfile *mf)
{
	if (!down_write_trylock(&mf->mapping->invalidate_lock))
		return;
	memfile_stay(mf);
	filemap_invalidate_unlock(mf->mapping);
}

static int memfile_relocate(struct memfile *mf, struct folio *dst,
			    struct folio *src)
{
	struct memfile_notifier *n;
	pgoff_t index = src->index;
	int ret;

	guard(srcu)(&memfile_srcu);
	n = READ_ONCE(mf->relocator);
	if (!n)
		return -EOPNOTSUPP;

	/* What must be taken back below had better not be begun. */
	if (memfile_folio_busy(src))
		return -EAGAIN;

	ret = n->ops->relocate(n, index, dst, src);
	if (ret == -EOPNOTSUPP)
		memfile_try_stay(mf);
	if (ret)
		return ret;

	/*
	 * A reference may have come since: a lookup that found the folio
	 * locked, or whoever walks PFNs.  Then the contents go back.
	 */
	ret = folio_migrate_mapping(mf->mapping, dst, src, 0);
	if (ret) {
		/* @dst may have them for good, or be spoilt: no other try. */
		if (n->ops->relocate(n, index, src, dst) ||
		    n->ops->release(n, dst)) {
			memfile_leak(dst);
			ret = -EIO;
		}
		return ret;
	}

	folio_migrate_flags(dst, src);
	if (n->ops->release(n, src))
		memfile_leak(src);
	return 0;
}

static int memfile_copy(struct address_space *mapping, struct folio *dst,
			struct folio *src, enum migrate_mode mode)
{
	int ret = migrate_folio(mapping, dst, src, mode);

	/*
	 * Truncation would have told the owner that the source has left the
	 * file; migration does not.
	 */
	if (!ret && mapping->a_ops->free_folio)
		mapping->a_ops->free_folio(src);
	return ret;
}

/**
 * memfile_migrate_folio - &address_space_operations.migrate_folio
 * @mapping: a memfile's
 * @dst: where to, locked
 * @src: a folio that memfile_migrate_unmap() and memfile_migrate_flush() were
 *	called for, locked ever since
 * @mode: how much waiting is allowed
 *
 * Context: May sleep.
 * Return: 0; -EAGAIN if somebody uses @src; -EHWPOISON if @src is broken;
 * -EOPNOTSUPP if the file has become unmovable; -EIO if @dst had to be leaked;
 * or what the consumer's relocate returned.
 */
int memfile_migrate_folio(struct address_space *mapping, struct folio *dst,
			  struct folio *src, enum migrate_mode mode)
{
	struct memfile *mf = mapping_to_memfile(mapping);
	pgoff_t index = src->index;
	int ret;

	/* Poison stays put; what was blocked must not be unblocked. */
	if (unlikely(folio_test_hwpoison(src))) {
		memfile_unmap_poisoned(src);
		return -EHWPOISON;
	}

	/*
	 * Not as late as folio_migrate_flags(): mincore() and SEEK_DATA, which
	 * do not lock @dst, would take it for never used.
	 */
	if (folio_test_uptodate(src))
		folio_mark_uptodate(dst);

	memfile_folio_lock_held();
	/* Pairs with the release in memfile_notifier_unregister(). */
	if (smp_load_acquire(&mf->relocator))
		ret = memfile_relocate(mf, dst, src);
	else if (mapping_unmovable(mapping))
		ret = -EOPNOTSUPP;
	else
		ret = memfile_copy(mapping, dst, src, mode);
	memfile_folio_lock_forget();

	trace_memfile_move(mf, index, src, dst, ret);
	if (ret)
		return ret;

	atomic_long_add(folio_nr_pages(dst), &mf->migrated);
	return 0;
}
EXPORT_SYMBOL_FOR_MODULES(memfile_migrate_folio, "kvm");

/*
 * Look from @index on for folios that must not be where they are once the file
 * is unmovable, and put them on @list if there is one.  Returns how many there
 * are or may be, isolated or not, of the first few; @index is behind them.
 */
static unsigned long memfile_find_misplaced(struct memfile *mf, pgoff_t *index,
					    struct list_head *list)
{
	struct address_space *mapping = mf->mapping;
	struct folio_batch fbatch;
	unsigned long nr = 0;
	int i;

	folio_batch_init(&fbatch);
	while (nr < MEMFILE_NARROW_BATCH &&
	       filemap_get_folios(mapping, index, -1UL, &fbatch)) {
		for (i = 0; i < folio_batch_count(&fbatch); i++) {
			struct folio *folio = fbatch.folios[i];

			/* Waits for a move that began while it was allowed. */
			folio_lock(folio);
			if (folio->mapping != mapping) {
				nr++;
			} else if (!memfile_folio_may_stay(folio) &&
				   !folio_test_hwpoison(folio)) {
				if (list)
					isolate_folio_to_list(folio, list);
				nr++;
			}
			folio_unlock(folio);
		}
		folio_batch_release(&fbatch);
		cond_resched();
	}
	return nr;
}

/* Move such folios elsewhere, as far as possible. */
static int memfile_move_misplaced(struct memfile *mf)
{
	struct migration_target_control mtc = {
		.nid = NUMA_NO_NODE,
		.gfp_mask = GFP_USER | __GFP_RETRY_MAYFAIL | __GFP_NOWARN,
		.reason = MR_LONGTERM_PIN,
	};
	pgoff_t index = 0;
	LIST_HEAD(list);
	int ret;

	/* What cannot be isolated may be on its way to the LRU. */
	lru_add_drain_all();

	while (memfile_find_misplaced(mf, &index, &list)) {
		ret = migrate_pages(&list, alloc_migration_target, NULL,
				    (unsigned long)&mtc, MIGRATE_SYNC,
				    MR_LONGTERM_PIN, NULL);
		putback_movable_pages(&list);
		if (ret < 0)
			return ret;
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	return 0;
}

/*
 * Make @mf unmovable, having moved what cannot stay out of ZONE_MOVABLE and
 * CMA.  Returns 0, or -EBUSY, -ENOMEM or -EINTR with @mf as movable as before.
 */
int memfile_make_unmovable(struct memfile *mf)
{
	struct address_space *mapping = mf->mapping;
	int tries, ret = -EBUSY;

	lockdep_assert_held_write(&mapping->invalidate_lock);

	WRITE_ONCE(mf->narrowing, true);
	mapping_set_gfp_mask(mapping, GFP_HIGHUSER);

	for (tries = 0; tries < MEMFILE_NARROW_TRIES; tries++) {
		pgoff_t index = 0;

		/* Nothing moves any more: are all where they may stay? */
		mapping_set_unmovable(mapping);
		smp_mb(); /* Pairs with the one in memfile_folio_misplaced(). */
		if (!memfile_find_misplaced(mf, &index, NULL)) {
			WRITE_ONCE(mf->narrowing, false);
			return 0;
		}
		mapping_clear_unmovable(mapping);

		/* Others that hold folios isolated need some time. */
		if (tries)
			schedule_timeout_idle(1);
		ret = memfile_move_misplaced(mf) ?: -EBUSY;
		if (ret != -EBUSY)
			break;
	}

	mapping_set_gfp_mask(mapping, GFP_HIGHUSER_MOVABLE);
	WRITE_ONCE(mf->narrowing, false);
	return ret;
}
