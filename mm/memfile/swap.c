// SPDX-License-Identifier: GPL-2.0
/*
 * memfile: swapping folios out and in.
 */

/**
 * DOC: Swapping
 *
 * A swapped index has a swap entry in i_pages, as in shmem, and the swap cache
 * may have its folio.
 *
 * Out, by reclaim, which has isolated and locked the folio:
 *
 * 1. memfile_writeout() asks each consumer to unmap the folio, and flushes.
 * 2. Nobody but the page cache and reclaim may hold a reference.
 * 3. Swap is allocated, which puts the folio into the swap cache, and the swap
 *    entry takes the folio's place in i_pages.
 * 4. The folio is written, which unlocks it, now or later.  Reclaim frees it
 *    when that is done, and the swap cache has it until then.
 *
 * In, by memfile_get_folio() on behalf of a fault, or by swapoff:
 *
 * 1. The folio is found in the swap cache, or read into it.
 * 2. With its lock held, and provided that the swap entry is still in i_pages,
 *    it takes the entry's place.
 * 3. The swap is freed, so the only copy is in memory and dirty.
 *
 * What cannot be read is poisoned; what cannot be written stays.
 *
 * Races excluded:
 *
 * - Out against a fault that has looked the folio up and not yet mapped it:
 *   unmap has made it look again, and it waits for the folio lock, then finds
 *   the swap entry.  Others who hold a reference, and may write through it
 *   later, are why step 2 of out gives up.
 * - In against in, punching, or the end of out that could not write: all of
 *   them replace the very entry, or folio, that they have seen in i_pages.
 * - In, whose read has failed with neighbours, against others who read these:
 *   only a read of that very entry alone, by whoever allocated its folio, is
 *   believed.
 * - Out against the end of the file: once the folio is not in i_pages any more
 *   its lock keeps nobody from evicting the inode, but memfile SRCU does.
 * - Swapoff against the end of the file: memfile_evict_inode() waits for the
 *   visit.
 * - Out against a consumer that ceases to tolerate it:
 *   memfile_make_unswappable() forbids it, waits until nobody is between having
 *   asked and having put the entry into i_pages, and then brings everything in.
 */
#include <kunit/static_stub.h>
#include <linux/blkdev.h>
#include <linux/folio_batch.h>
#include <linux/highmem.h>
#include <linux/leafops.h>
#include <linux/memfile.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/swap.h>
#include <linux/swap_ops.h>
#include <linux/wait_bit.h>

#include <trace/events/memfile.h>

#include "../internal.h"
#include "../swap.h"
#include "internal.h"

/* Files that have, or had, pages in swap. */
static LIST_HEAD(memfile_swaplist);
static DEFINE_SPINLOCK(memfile_swaplist_lock);

/* Out */

/* To be called before the entry is in i_pages, which memfile_unuse() visits. */
static void memfile_count_swapped(struct memfile *mf)
{
	/* memfile_unuse() takes files off the list that have nothing in swap. */
	if (atomic_long_inc_return(&mf->swapped) > 1)
		return;

	spin_lock(&memfile_swaplist_lock);
	if (list_empty(&mf->swaplist))
		list_add(&mf->swaplist, &memfile_swaplist);
	spin_unlock(&memfile_swaplist_lock);
}

/* May @folio's cgroup have more swap, and is there any? */
static bool memfile_swap_left(struct folio *folio)
{
	struct mem_cgroup *memcg;

	guard(rcu)();
	memcg = folio_memcg(folio);
	/* It has none any more if it was moved away just now. */
	return (memcg ? mem_cgroup_get_nr_swap_pages(memcg) :
			get_nr_swap_pages()) > 0;
}

static int memfile_swap_out(struct memfile *mf, struct swap_io_ctx *ctx,
			    struct folio *folio)
{
	bool kept;
	int ret;

	/* Spare the consumers faults over a folio that has to stay. */
	if (mapping_unevictable(mf->mapping) ||
	    !memfile_tolerated(mf, MEMFILE_CAP_SWAP) ||
	    !memfile_swap_left(folio))
		return AOP_WRITEPAGE_ACTIVATE;

	memfile_unmap_folio(mf, folio);
	memfile_flush(mf);

	/* The page cache's reference, and reclaim's. */
	if (folio_ref_count(folio) != folio_nr_pages(folio) + 1)
		return AOP_WRITEPAGE_ACTIVATE;

	/* Allocated, but never exposed. */
	if (!folio_test_uptodate(folio)) {
		folio_zero_range(folio, 0, folio_size(folio));
		folio_mark_uptodate(folio);
	}

	if (folio_alloc_swap(folio))
		return AOP_WRITEPAGE_ACTIVATE;

	memfile_count_swapped(mf);
	ret = shmem_swap_out(ctx, folio, &kept);
	if (kept)
		atomic_long_dec(&mf->swapped);
	else if (ret != AOP_WRITEPAGE_ACTIVATE)
		atomic_long_inc(&mf->swapout);
	return ret;
}

/**
 * memfile_writeout - write a folio to swap
 * @ctx: swap I/O context
 * @folio: of a swapbacked memfile, locked and isolated, in no page table, and
 *	with its dirty flag cleared
 *
 * Context: May sleep, and allocate from the reserves.
 * Return: 0 if @folio is unlocked and written or being written; a negative
 * errno if it is unlocked and writing failed, then it is in the swap cache and
 * dirty; AOP_WRITEPAGE_ACTIVATE if it has to stay, locked.
 */
int memfile_writeout(struct swap_io_ctx *ctx, struct folio *folio)
{
	struct memfile *mf = mapping_to_memfile(folio->mapping);
	pgoff_t index = folio->index;
	int ret;

	memfile_folio_lock_held();
	scoped_guard(srcu, &memfile_srcu) {
		ret = memfile_swap_out(mf, ctx, folio);
		trace_memfile_swapout(mf, index, ret);
	}
	memfile_folio_lock_forget();

	if (ret == AOP_WRITEPAGE_ACTIVATE)
		folio_mark_dirty(folio);
	return ret;
}

/**
 * memfile_folio_young - has a consumer accessed a folio?
 * @folio: any for which folio_may_be_memfile() says so, locked
 *
 * Return: Whether a consumer has accessed @folio since this was asked last.
 */
bool memfile_folio_young(struct folio *folio)
{
	pgoff_t start = folio->index;
	pgoff_t end = start + folio_nr_pages(folio);
	struct memfile_notifier *n;
	bool young = false;

	if (!folio_is_memfile(folio))
		return false;

	memfile_folio_lock_held();
	scoped_guard(srcu, &memfile_srcu) {
		memfile_for_each_notifier(n, mapping_to_memfile(folio->mapping))
			young |= n->ops->young(n, start, end);
	}
	memfile_folio_lock_forget();

	return young;
}

/* In */

/*
 * Begin to read @entry into the swap cache.  Returns the folio, or an error;
 * @alone without its neighbours, and -EEXIST if somebody else has begun to read
 * it meanwhile, perhaps with them.  Tests redirect this.
 */
struct folio *memfile_read_swap(struct memfile *mf, pgoff_t index,
				swp_entry_t entry, bool alone)
{
	gfp_t gfp = mapping_gfp_mask(mf->mapping);
	struct swap_io_ctx ctx = {};
	struct mempolicy *policy;
	struct folio *folio;

	KUNIT_STATIC_STUB_REDIRECT(memfile_read_swap, mf, index, entry, alone);

	policy = mpol_shared_policy_lookup(&mf->policy, index);
	if (!policy)
		policy = get_task_policy(current);

	if (!alone) {
		folio = swap_cluster_readahead(entry, gfp, policy, index);
	} else {
		folio = swap_cache_alloc_folio(entry, gfp, BIT(0), NULL, policy,
					       index);
		if (!IS_ERR(folio)) {
			swap_read_folio(&ctx, folio);
			swap_read_submit(&ctx);
		}
	}
	mpol_cond_put(policy);

	return folio ?: ERR_PTR(-ENOMEM);
}

/*
 * As folio_lock(), but lets signals interrupt waiting for a read, or does not
 * wait for it.
 */
static int memfile_lock_swapcache(struct folio *folio, unsigned int state)
{
	int ret = 0;

	might_sleep();
	memfile_might_lock_folio();

	while (!ret && !folio_trylock(folio)) {
		if (state == TASK_RUNNING)
			return -EAGAIN;
		folio_get(folio);
		ret = folio_put_wait_locked(folio, state);
	}
	return ret;
}

/*
 * Find the folio of @entry in the swap cache, or read it.  Returns it locked,
 * or an error.  It is not uptodate if it could not be read.  Tests redirect
 * this.
 */
struct folio *memfile_load_swap(struct memfile *mf, pgoff_t index,
				swp_entry_t entry, struct swap_info_struct *si,
				unsigned int state)
{
	bool alone, read_alone;
	struct folio *folio;
	int ret;

	KUNIT_STATIC_STUB_REDIRECT(memfile_load_swap, mf, index, entry, si,
				   state);

	/* Other flags may change; this one does not while the device is on. */
	alone = data_race(si->flags & SWP_SYNCHRONOUS_IO);
	for (;;) {
		read_alone = false;
		folio = swap_cache_get_folio(entry);
		if (folio) {
			swap_update_readahead(folio, NULL, 0);
		} else {
			folio = memfile_read_swap(mf, index, entry, alone);
			if (folio == ERR_PTR(-EEXIST))
				continue;
			if (IS_ERR(folio))
				return folio;
			read_alone = alone;
			/* There may be no process: this serves swapoff, too. */
			count_vm_event(PGMAJFAULT);
			count_memcg_folio_events(folio, PGMAJFAULT, 1);
		}

		ret = memfile_lock_swapcache(folio, state);
		if (ret) {
			folio_put(folio);
			return ERR_PTR(ret);
		}

		/*
		 * A read of neighbours fails for all of them, whoever did it:
		 * try again without them.  But what memory_failure() has taken
		 * away may never have been written.
		 */
		if (read_alone || folio_test_uptodate(folio) ||
		    folio_test_hwpoison(folio) || folio_test_large(folio) ||
		    !folio_matches_swap_entry(folio, entry))
			return folio;

		swap_cache_del_folio(folio);
		folio_unlock(folio);
		folio_put(folio);
		alone = true;
	}
}

/*
 * Put @folio, which is locked, in the place of @entry, whose device is pinned.
 * Returns 0; -EEXIST if @entry is not there any more, -EHWPOISON if it could
 * not be read and the index is poisoned now, -EAGAIN if it is still being
 * written and @state admits no waiting, or -ENOMEM.
 */
static int memfile_add_swapped(struct memfile *mf, pgoff_t index,
			       swp_entry_t entry, struct folio *folio,
			       unsigned int state)
{
	struct address_space *mapping = mf->mapping;
	int ret;

	/* Or else it may be somebody's who has got the entry since. */
	if (!folio_matches_swap_entry(folio, entry) ||
	    shmem_confirm_swap(mapping, index, entry) < 0)
		return -EEXIST;

	/*
	 * Read on speculation by somebody whose entries these were before, see
	 * do_swap_page(): nobody has mapped it, and nobody will.
	 */
	if (unlikely(folio_test_large(folio))) {
		if (!WARN_ON_ONCE(folio_test_dirty(folio) ||
				  folio_test_writeback(folio)))
			swap_cache_del_folio(folio);
		return -EEXIST;
	}

	/* Not read, or memory_failure() has taken the contents away. */
	if (unlikely(!folio_test_uptodate(folio))) {
		if (!shmem_set_swapin_error(mapping, index, folio, entry))
			return -EEXIST;
		atomic_long_dec(&mf->swapped);
		return -EHWPOISON;
	}

	if (state == TASK_RUNNING && folio_test_writeback(folio))
		return -EAGAIN;
	folio_wait_writeback(folio);
	arch_swap_restore(folio_swap(entry, folio), folio);

	ret = shmem_add_to_page_cache(folio, mapping, index,
				      swp_to_radix_entry(entry),
				      mapping_gfp_mask(mapping));
	if (ret)
		return ret;

	atomic_long_dec(&mf->swapped);
	atomic_long_inc(&mf->swapin);

	folio_put_swap(folio, NULL);
	swap_cache_del_folio(folio);
	folio_mark_dirty(folio);
	return 0;
}

/*
 * Bring in what the value @entry at @index stands for.  Returns the folio,
 * locked and with a reference; or -EEXIST if the index has changed meanwhile,
 * -EINTR if a signal that @state admits is pending, -EAGAIN if @state is
 * TASK_RUNNING and it is being read, -EHWPOISON, -ENOMEM.
 */
struct folio *memfile_swap_in(struct memfile *mf, pgoff_t index,
			      swp_entry_t entry, unsigned int state)
{
	struct swap_info_struct *si;
	struct folio *folio;
	int ret;

	if (!softleaf_is_swap(entry))
		return ERR_PTR(-EHWPOISON);

	/* Swapoff ends only when it has brought in all entries. */
	si = get_swap_device(entry);
	if (!si)
		return ERR_PTR(-EEXIST);

	/* Not freed and used again before the device was pinned? */
	if (shmem_confirm_swap(mf->mapping, index, entry) < 0) {
		ret = -EEXIST;
		goto out;
	}

	folio = memfile_load_swap(mf, index, entry, si, state);
	if (IS_ERR(folio)) {
		/* It may have failed for want of the entry. */
		ret = PTR_ERR(folio);
		if (ret == -ENOENT ||
		    shmem_confirm_swap(mf->mapping, index, entry) < 0)
			ret = -EEXIST;
		goto out;
	}

	ret = memfile_add_swapped(mf, index, entry, folio, state);
	if (ret) {
		folio_unlock(folio);
		folio_put(folio);
	}
out:
	put_swap_device(si);
	trace_memfile_swapin(mf, index, ret);
	return ret ? ERR_PTR(ret) : folio;
}

/* Bring in @value, which was at @index.  Returns 0, -EINTR, or -ENOMEM. */
static int memfile_swap_in_value(struct memfile *mf, pgoff_t index, void *value,
				 unsigned int state)
{
	swp_entry_t entry = radix_to_swp_entry(value);
	struct folio *folio;

	/* Others may fail to read it, and take it from the swap cache. */
	do {
		folio = memfile_swap_in(mf, index, entry, state);
	} while (folio == ERR_PTR(-EEXIST) &&
		 xa_load(&mf->mapping->i_pages, index) == value);

	if (folio == ERR_PTR(-EEXIST) || folio == ERR_PTR(-EHWPOISON))
		return 0;
	if (IS_ERR(folio))
		return PTR_ERR(folio);

	folio_unlock(folio);
	folio_put(folio);
	return 0;
}

/**
 * memfile_bring_in - wait until an index is not swapped any more
 * @mf: the file
 * @index: for which memfile_get_folio() has returned -EAGAIN
 *
 * On behalf of another process: no memory is allocated where there was none.
 * Errors are left to the next memfile_get_folio().
 *
 * Context: Sleeps, and signals do not interrupt it.
 */
void memfile_bring_in(struct memfile *mf, pgoff_t index)
{
	void *value = xa_load(&mf->mapping->i_pages, index);

	if (xa_is_value(value))
		memfile_swap_in_value(mf, index, value, TASK_UNINTERRUPTIBLE);
}
EXPORT_SYMBOL_FOR_MODULES(memfile_bring_in, "kvm");

/*
 * Bring in all that is swapped to the device @type, or to any if it is -1.
 * Returns 0, -ENOMEM, or -EINTR if the caller is being killed.
 */
static int memfile_swap_in_all(struct memfile *mf, int type)
{
	unsigned long index;
	swp_entry_t entry;
	void *value;
	int ret;

	if (!atomic_long_read(&mf->swapped))
		return 0;

	xa_for_each(&mf->mapping->i_pages, index, value) {
		cond_resched();

		if (!xa_is_value(value))
			continue;
		entry = radix_to_swp_entry(value);
		if (!softleaf_is_swap(entry) ||
		    (type != -1 && swp_type(entry) != type))
			continue;

		ret = memfile_swap_in_value(mf, index, value, TASK_KILLABLE);
		if (ret)
			return ret;
	}
	return 0;
}

/* Capabilities */

void memfile_make_swappable(struct memfile *mf)
{
	lockdep_assert_held_write(&mf->mapping->invalidate_lock);

	mapping_clear_unevictable(mf->mapping);
	/* Put on the LRU while the mapping was unevictable. */
	shmem_unlock_mapping(mf->mapping);
}

/*
 * Let nothing of @mf go to swap, and bring in what is there.  Returns 0; or
 * -ENOMEM or -EINTR with @mf as swappable as before.
 */
int memfile_make_unswappable(struct memfile *mf)
{
	int ret;

	lockdep_assert_held_write(&mf->mapping->invalidate_lock);

	mapping_set_unevictable(mf->mapping);
	/* Wait for a memfile_writeout() that has found it evictable. */
	synchronize_srcu_expedited(&memfile_srcu);

	ret = memfile_swap_in_all(mf, -1);
	if (ret)
		memfile_make_swappable(mf);
	return ret;
}

/* Requests */

/* Take @folio for reclaim_pages(), if it can be had, and is not mlocked. */
static void memfile_isolate(struct folio *folio, struct list_head *list)
{
	if (!folio_isolate_lru(folio))
		return;

	if (folio_test_unevictable(folio))
		folio_putback_lru(folio);
	else
		list_add_tail(&folio->lru, list);
}

/* The folio that the swap cache has for @entry, if that is at @index. */
static struct folio *memfile_find_swapcache(struct memfile *mf, pgoff_t index,
					    swp_entry_t entry)
{
	struct swap_info_struct *si = get_swap_device(entry);
	struct folio *folio = NULL;

	if (!si)
		return NULL;
	if (shmem_confirm_swap(mf->mapping, index, entry) >= 0)
		folio = swap_cache_get_folio(entry);
	put_swap_device(si);
	return folio;
}

/*
 * What has become of @folio, which was given to reclaim?  It may be gone, and
 * is only compared.  If it has been written, and is still in the swap cache, it
 * is put on @list.
 */
static int memfile_check_paged_out(struct memfile *mf, pgoff_t index,
				   struct folio *folio, struct list_head *list)
{
	void *value = filemap_get_entry(mf->mapping, index);
	struct folio *found;
	swp_entry_t entry;
	int ret = 0;

	if (value && !xa_is_value(value)) {
		found = value;
		if (found == folio)
			ret = memfile_swap_left(folio) ? -EBUSY : -ENOSPC;
		folio_put(found);
		return ret;
	}
	entry = radix_to_swp_entry(value);
	if (!value || !softleaf_is_swap(entry))
		return 0;

	found = memfile_find_swapcache(mf, index, entry);
	if (found == folio) {
		folio_lock(folio);
		folio_wait_writeback(folio);
		/* Or else it is clean, if nobody has brought it in by now. */
		if (folio_matches_swap_entry(folio, entry) &&
		    folio_test_dirty(folio))
			ret = -EIO;
		folio_unlock(folio);

		if (!ret)
			memfile_isolate(folio, list);
	}
	if (found)
		folio_put(found);
	return ret;
}

/* Put the folios of @fbatch, which is emptied, into swap. */
static int memfile_page_out_batch(struct memfile *mf,
				  struct folio_batch *fbatch)
{
	/* Without references, which would keep them in memory. */
	struct folio *folios[FOLIO_BATCH_SIZE];
	pgoff_t indices[FOLIO_BATCH_SIZE];
	int i, nr = folio_batch_count(fbatch);
	int ret = 0, err;
	LIST_HEAD(list);

	for (i = 0; i < nr; i++) {
		struct folio *folio = fbatch->folios[i];

		folios[i] = folio;
		indices[i] = folio->index;
		memfile_isolate(folio, &list);
	}
	folio_batch_release(fbatch);
	reclaim_pages(&list);

	/* What is being written has been put back, and must be on the LRU. */
	lru_add_drain();
	for (i = 0; i < nr; i++) {
		err = memfile_check_paged_out(mf, indices[i], folios[i], &list);
		ret = err ?: ret;
	}
	reclaim_pages(&list);
	return ret;
}

/*
 * Write [@start, @end) to swap, and free it.  Returns 0; -EBUSY if something
 * was in use, -ENOSPC if there was too little swap, -EIO if it could not be
 * written, -EINTR if the caller is being killed.  What could be done is done.
 */
int memfile_page_out(struct memfile *mf, pgoff_t start, pgoff_t end)
{
	struct folio_batch fbatch;
	int ret = 0;

	if (start >= end)
		return 0;

	/* What cannot be isolated may be on its way to the LRU. */
	lru_add_drain_all();

	folio_batch_init(&fbatch);
	while (filemap_get_folios(mf->mapping, &start, end - 1, &fbatch)) {
		ret = memfile_page_out_batch(mf, &fbatch) ?: ret;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return ret;
}

/* Begin to read what is swapped of [@start, @end) into the swap cache. */
void memfile_prefetch(struct memfile *mf, pgoff_t start, pgoff_t end)
{
	struct address_space *mapping = mf->mapping;
	struct swap_info_struct *si;
	struct blk_plug plug;
	struct folio *folio;
	unsigned long index;
	swp_entry_t entry;
	void *value;

	blk_start_plug(&plug);
	xa_for_each_range(&mapping->i_pages, index, value, start, end - 1) {
		cond_resched();
		if (fatal_signal_pending(current))
			break;

		if (!xa_is_value(value))
			continue;
		entry = radix_to_swp_entry(value);
		if (!softleaf_is_swap(entry))
			continue;

		si = get_swap_device(entry);
		if (!si)
			continue;
		folio = ERR_PTR(-EEXIST);
		if (shmem_confirm_swap(mapping, index, entry) >= 0)
			folio = swap_cache_get_folio(entry) ?:
				memfile_read_swap(mf, index, entry, true);
		put_swap_device(si);
		if (!IS_ERR(folio))
			folio_put(folio);
		else if (folio == ERR_PTR(-ENOMEM))
			break;
	}
	blk_finish_plug(&plug);

	/* Push what is new onto the LRU. */
	lru_add_drain();
}

/* Ends */

/**
 * memfile_free_swap - free swap entries on truncation
 * @mapping: a swapbacked memfile's
 * @fbatch: what truncation has found; folios are left alone
 * @indices: where
 *
 * Context: Does not sleep, but folios may be locked.
 */
void memfile_free_swap(struct address_space *mapping,
		       struct folio_batch *fbatch, pgoff_t *indices)
{
	struct memfile *mf = mapping_to_memfile(mapping);
	int i;

	for (i = 0; i < folio_batch_count(fbatch); i++) {
		void *value = fbatch->folios[i];
		long freed;

		if (!xa_is_value(value))
			continue;

		/* Nothing if it has been brought in: truncation looks again. */
		freed = shmem_free_swap(mapping, indices[i], indices[i], value);
		if (softleaf_is_swap(radix_to_swp_entry(value)))
			atomic_long_sub(freed, &mf->swapped);
	}
}

/**
 * memfile_unuse - bring in what memfiles have in a swap device
 * @type: the device
 *
 * Context: May sleep.
 * Return: 0; -ENOMEM; -EINTR if the caller is being killed.
 */
int memfile_unuse(unsigned int type)
{
	struct memfile *mf, *next;
	int ret = 0;

	spin_lock(&memfile_swaplist_lock);
	list_for_each_entry_safe(mf, next, &memfile_swaplist, swaplist) {
		if (atomic_long_read(&mf->swapped)) {
			/* Stays on the list: memfile_evict_inode() waits. */
			atomic_inc(&mf->unuse_visits);
			spin_unlock(&memfile_swaplist_lock);

			ret = memfile_swap_in_all(mf, type);
			cond_resched();

			spin_lock(&memfile_swaplist_lock);
			next = list_next_entry(mf, swaplist);
			if (atomic_dec_and_test(&mf->unuse_visits))
				wake_up_var(&mf->unuse_visits);
			if (ret)
				break;
		}
		if (!atomic_long_read(&mf->swapped) &&
		    !atomic_read(&mf->unuse_visits))
			list_del_init(&mf->swaplist);
	}
	spin_unlock(&memfile_swaplist_lock);

	return ret;
}

/* The inode is going, and its mapping is empty. */
void memfile_swap_exit(struct memfile *mf)
{
	while (!list_empty(&mf->swaplist)) {
		wait_var_event(&mf->unuse_visits,
			       !atomic_read(&mf->unuse_visits));

		spin_lock(&memfile_swaplist_lock);
		/* Another visit may have begun. */
		if (!atomic_read(&mf->unuse_visits))
			list_del_init(&mf->swaplist);
		spin_unlock(&memfile_swaplist_lock);
	}

	/* Wait for a memfile_writeout() whose entry has been freed. */
	synchronize_srcu_expedited(&memfile_srcu);
}
