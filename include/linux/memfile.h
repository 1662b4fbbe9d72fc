/* SPDX-License-Identifier: GPL-2.0 */
/*
 * memfile: memory files whose pages user space need not be able to map.
 *
 * This header is the contract between a memory file, its backing store and
 * its consumers.  The object model and the lock order are in
 * mm/memfile/core.c, the move protocol is in mm/memfile/migrate.c.
 */
#ifndef _LINUX_MEMFILE_H
#define _LINUX_MEMFILE_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/list.h>
#include <linux/mempolicy.h>
#include <linux/migrate_mode.h>
#include <linux/pagemap.h>

struct folio_batch;
struct memfile_notifier;
struct seq_file;
struct swap_io_ctx;

/*
 * Capabilities of memory.  A set bit is a permission, so that masks intersect.
 *
 * MOVE: the physical page behind an index may change.
 * SWAP: the contents of an index may leave memory and come back to another
 *	page, so it takes MOVE as well.  The CPU writes and reads them.
 */
#define MEMFILE_CAP_MOVE	BIT(0)
#define MEMFILE_CAP_SWAP	BIT(1)

/**
 * struct memfile_backing_store - where a memfile's folios come from
 * @caps: MEMFILE_CAP_* that the folios can bear.  A store without a
 *	capability is not an error: its files just do not have it.
 */
struct memfile_backing_store {
	unsigned long caps;
};

/**
 * struct memfile_notifier_ops - a consumer of a memfile's memory
 *
 * @caps: Required.  What the consumer tolerates, MEMFILE_CAP_*.  Evaluated
 *	when the notifier is registered or updated, and again for each folio
 *	about to be moved or swapped, because a consumer may change, as a VM
 *	does that becomes confidential.  Until memfile_notifier_register() or
 *	memfile_notifier_update() has returned 0 for a mask, the consumer must
 *	cope with what it leaves out.  Must not sleep.
 *
 * @invalidate_start: Required.  The range [@start, @end) is about to be
 *	freed: stop using it, return when no translation is left, and establish
 *	none until @invalidate_end.  Called with the invalidate_lock held
 *	exclusively.  May sleep.
 *
 * @invalidate_end: Required.  Ends what @invalidate_start with the same range
 *	began, under the same hold of invalidate_lock.
 *
 * @unmap: Required.  Remove all translations of [@start, @end), and make a
 *	fault that looked the folio up earlier look again.  Unlike
 *	@invalidate_start the consumer may establish translations as soon as
 *	this returns, but needs the folio lock, which the caller holds, to
 *	look the folio up.  Called under memfile SRCU; must neither sleep nor
 *	wait for invalidate_lock, since punching takes the folio lock inside
 *	it.  TLBs may hold translations until @flush.  In between the consumer
 *	must not conclude from the missing translation that there is nothing
 *	to flush, for instance when the range gets another meaning.
 *
 * @flush: Required.  Return when no TLB holds a translation that an earlier
 *	@unmap removed.  One flush serves all folios of a batch, but this may be
 *	called again when there is nothing left to flush, and must be cheap
 *	then.  Called under memfile SRCU with folios locked, and by
 *	memfile_notifier_unregister().
 *
 * @young: Required.  Has the consumer accessed [@start, @end) since it was asked
 *	last?  An approximation, for reclaim: an access may be missed, or be
 *	reported once more.  Called under memfile SRCU with the folio locked.
 *	Must neither sleep nor wait for invalidate_lock, and should not wait for
 *	locks that faults take, since reclaim asks often.
 *
 * The rest is optional, but all or none: for contents that only the consumer can
 * transfer, because firmware guards them.  At most one consumer of a file may
 * have these, or the file does not move.  Nor does it once that consumer is
 * gone.  Such a file is never swapped.  All are called under memfile SRCU, with
 * the folios locked, and must not wait for invalidate_lock.
 *
 * @block: Instead of @unmap where [@start, @end) is about to be relocated, since
 *	for some firmware to unmap is to lose the contents.  Nobody may use the
 *	range after the next @flush, until @unblock or @relocate.  It may be
 *	what @unmap is where contents stay, as with SNP, or do nothing if
 *	@relocate can do without, or will fail.  Must not sleep.
 *
 * @unblock: The move of [@start, @end) was given up after @block, and @relocate
 *	has failed, was undone, or was not called: it may be used again.  Must
 *	not sleep.
 *
 * @relocate: Transfer the contents of @src to @dst, and let translations of
 *	@index lead there; one batch takes one @flush.  It is called before the
 *	page cache is changed, so it must be reversible: if the move fails after
 *	it, it is called again with the two swapped, without @block and @flush.
 *	If that fails, @dst is never used again, and what the consumer finds
 *	there is lost to the file.  May sleep.  Returns 0; -EAGAIN if trying
 *	again soon may help; -EOPNOTSUPP if the consumer turns out to be unable
 *	to move anything, then the file does not move any more; any other errno
 *	if @src has to stay.  On error nothing has changed.
 *
 * @release: The contents of @folio have gone elsewhere, for good, and it is about
 *	to be freed: make it ordinary memory, in place of the mapping's
 *	free_folio.  May sleep.  Returns 0, or an errno if @folio must never be
 *	used again.  This, or @relocate that failed to undo, ends what a
 *	successful @relocate began, which may keep a lock until then.
 *
 * A hypervisor that guards memory itself, such as pKVM on arm64, fits in like
 * this: @block and @unblock have nothing to do, @relocate is one hypercall that
 * takes the VM's handle, the guest frame, and the two host frames.  Under the
 * locks of host and guest it checks that the host owns @dst, and that the guest
 * owns @src at that frame and shares it with nobody (shared pages are refused,
 * -EBUSY); breaks the translation and flushes; copies at EL2; makes @dst the
 * guest's in the host's stage 2, maps it, poisons @src, and gives it to the host.
 * @release has nothing left to do.
 */
struct memfile_notifier_ops {
	unsigned long (*caps)(struct memfile_notifier *n);
	void (*invalidate_start)(struct memfile_notifier *n, pgoff_t start,
				 pgoff_t end);
	void (*invalidate_end)(struct memfile_notifier *n, pgoff_t start,
			       pgoff_t end);
	void (*unmap)(struct memfile_notifier *n, pgoff_t start, pgoff_t end);
	void (*flush)(struct memfile_notifier *n);
	bool (*young)(struct memfile_notifier *n, pgoff_t start, pgoff_t end);
	void (*block)(struct memfile_notifier *n, pgoff_t start, pgoff_t end);
	void (*unblock)(struct memfile_notifier *n, pgoff_t start, pgoff_t end);
	int (*relocate)(struct memfile_notifier *n, pgoff_t index,
			struct folio *dst, struct folio *src);
	int (*release)(struct memfile_notifier *n, struct folio *folio);
};

/**
 * struct memfile_notifier - one consumer's view of one memfile
 * @ops: set by the consumer before memfile_notifier_register()
 */
struct memfile_notifier {
	const struct memfile_notifier_ops *ops;
	/* private: */
	struct memfile *memfile;
	struct list_head list;
};

/**
 * struct memfile - the physical storage behind one inode
 * @policy: NUMA policy of new folios, by index
 *
 * Embedded in the inode of whoever offers the file to user space, who
 * initialises @policy with the inode and frees it with it, and leaves the
 * inode's i_private alone, which points here.
 */
struct memfile {
	struct shared_policy policy;
	/* private: */
	struct address_space *mapping;
	const struct memfile_backing_store *store;
	/* Asked for at creation, and in effect; invalidate_lock protects. */
	unsigned long asked;
	unsigned long caps;
	/* Moves go on while caps are taken away; see memfile_make_unmovable(). */
	bool narrowing;
	/* invalidate_lock protects changes, memfile SRCU readers. */
	struct list_head notifiers;
	/* The one on the list, if any, that moves contents itself. */
	struct memfile_notifier *relocator;
	/* Pages, since creation. */
	atomic_long_t migrated;
	atomic_long_t swapin;
	atomic_long_t swapout;
	/* Pages in swap. */
	atomic_long_t swapped;
	/* On the list of files that swapoff visits, and visits going on. */
	struct list_head swaplist;
	atomic_t unuse_visits;
};

#ifdef CONFIG_MEMFILE

extern const struct memfile_backing_store memfile_page_store;

void memfile_init(struct memfile *mf, struct address_space *mapping,
		  const struct memfile_backing_store *store,
		  unsigned long asked);
int memfile_request_caps(unsigned long *asked, unsigned long tolerated);

int memfile_notifier_register(struct memfile *mf, struct memfile_notifier *n);
int memfile_notifier_update(struct memfile_notifier *n);
void memfile_notifier_unregister(struct memfile_notifier *n);
void memfile_notifier_synchronize(struct memfile_notifier *n);

struct folio *memfile_get_folio(struct memfile *mf, pgoff_t index,
				unsigned int state);
int memfile_allocate(struct memfile *mf, pgoff_t start, pgoff_t end);
void memfile_punch(struct memfile *mf, pgoff_t start, pgoff_t end);
int memfile_fadvise(struct file *file, loff_t offset, loff_t len, int advice);
loff_t memfile_llseek(struct file *file, loff_t offset, int whence);
void memfile_evict_inode(struct inode *inode);
void memfile_show_fdinfo(struct seq_file *m, struct memfile *mf);

/* Tests redirect this. */
bool memfile_folio_may_stay(struct folio *folio);

/* For the address_space_operations of the file's owner. */
int memfile_error_remove_folio(struct address_space *mapping,
			       struct folio *folio);

#endif /* CONFIG_MEMFILE */

#if defined(CONFIG_MEMFILE) && defined(CONFIG_MIGRATION)

int memfile_migrate_folio(struct address_space *mapping, struct folio *dst,
			  struct folio *src, enum migrate_mode mode);

/* For mm/migrate.c. */
int memfile_migrate_unmap(struct folio *src);
void memfile_migrate_flush(struct list_head *folios);
void memfile_migrate_undo(struct folio *src);

/* For mm/vmscan.c and mm/memory_hotplug.c. */
void memfile_unmap_poisoned(struct folio *folio);

#else

#define memfile_migrate_folio	NULL

static inline int memfile_migrate_unmap(struct folio *src)
{
	return 0;
}

static inline void memfile_migrate_flush(struct list_head *folios)
{
}

static inline void memfile_migrate_undo(struct folio *src)
{
}

static inline void memfile_unmap_poisoned(struct folio *folio)
{
}

#endif

#ifdef CONFIG_MEMFILE_SWAP

void memfile_bring_in(struct memfile *mf, pgoff_t index);

/* For mm/vmscan.c. */
int memfile_writeout(struct swap_io_ctx *ctx, struct folio *folio);

/* Worth asking memfile_folio_young()? */
static inline bool folio_may_be_memfile(struct folio *folio)
{
	return folio_test_swapbacked(folio) && !folio_test_anon(folio);
}

bool memfile_folio_young(struct folio *folio);

/* For mm/truncate.c. */
void memfile_free_swap(struct address_space *mapping,
		       struct folio_batch *fbatch, pgoff_t *indices);

/* For mm/swapfile.c. */
int memfile_unuse(unsigned int type);

#else

static inline void memfile_bring_in(struct memfile *mf, pgoff_t index)
{
}

static inline int memfile_writeout(struct swap_io_ctx *ctx,
				   struct folio *folio)
{
	return AOP_WRITEPAGE_ACTIVATE;
}

static inline bool folio_may_be_memfile(struct folio *folio)
{
	return false;
}

static inline bool memfile_folio_young(struct folio *folio)
{
	return false;
}

static inline void memfile_free_swap(struct address_space *mapping,
				     struct folio_batch *fbatch,
				     pgoff_t *indices)
{
}

static inline int memfile_unuse(unsigned int type)
{
	return 0;
}

#endif

#endif /* _LINUX_MEMFILE_H */
