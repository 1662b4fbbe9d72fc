/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MM_MEMFILE_INTERNAL_H
#define _MM_MEMFILE_INTERNAL_H

#include <linux/lockdep.h>
#include <linux/memfile.h>
#include <linux/srcu.h>

extern struct srcu_struct memfile_srcu;

/* The memfile behind the inaccessible mapping @mapping. */
static inline struct memfile *mapping_to_memfile(struct address_space *mapping)
{
	return mapping->host->i_private;
}

static inline struct list_head *memfile_notifiers(struct memfile *mf)
{
	RCU_LOCKDEP_WARN(!srcu_read_lock_held(&memfile_srcu) &&
			 !lockdep_is_held(&mf->mapping->invalidate_lock),
			 "memfile notifiers read without protection");
	return &mf->notifiers;
}

#define memfile_for_each_notifier(n, mf)				\
	list_for_each_entry_srcu(n, memfile_notifiers(mf), list, true)

/*
 * Lockdep does not see folio locks.  This map stands for those of all
 * memfiles: whoever may wait for one says so with memfile_might_lock_folio(),
 * and whoever is entered with one held brackets itself with
 * memfile_folio_lock_held() and memfile_folio_lock_forget(), so that waiting
 * there for invalidate_lock is reported even when nobody races.
 */
#ifdef CONFIG_LOCKDEP
extern struct lockdep_map memfile_folio_lock_map;

static inline void memfile_folio_lock_held(void)
{
	lock_map_acquire(&memfile_folio_lock_map);
}

static inline void memfile_folio_lock_forget(void)
{
	lock_map_release(&memfile_folio_lock_map);
}
#else
static inline void memfile_folio_lock_held(void)
{
}

static inline void memfile_folio_lock_forget(void)
{
}
#endif

static inline void memfile_might_lock_folio(void)
{
	memfile_folio_lock_held();
	memfile_folio_lock_forget();
}

void memfile_unmap_folio(struct memfile *mf, struct folio *folio);
void memfile_flush(struct memfile *mf);
bool memfile_tolerated(struct memfile *mf, unsigned long cap);
void memfile_stay(struct memfile *mf);

#ifdef CONFIG_MIGRATION
static inline bool folio_is_memfile(struct folio *folio)
{
	struct address_space *mapping = folio_mapping(folio);

	return mapping && mapping->a_ops->migrate_folio == memfile_migrate_folio;
}

int memfile_make_unmovable(struct memfile *mf);
#else
static inline int memfile_make_unmovable(struct memfile *mf)
{
	return 0;
}
#endif

#ifdef CONFIG_MEMFILE_SWAP
struct folio *memfile_read_swap(struct memfile *mf, pgoff_t index,
				swp_entry_t entry, bool alone);
struct folio *memfile_load_swap(struct memfile *mf, pgoff_t index,
				swp_entry_t entry, struct swap_info_struct *si,
				unsigned int state);
struct folio *memfile_swap_in(struct memfile *mf, pgoff_t index,
			      swp_entry_t entry, unsigned int state);
void memfile_make_swappable(struct memfile *mf);
int memfile_make_unswappable(struct memfile *mf);
int memfile_page_out(struct memfile *mf, pgoff_t start, pgoff_t end);
void memfile_prefetch(struct memfile *mf, pgoff_t start, pgoff_t end);
void memfile_swap_exit(struct memfile *mf);
#else
/* No file has MEMFILE_CAP_SWAP, and no mapping is swapbacked. */
static inline struct folio *memfile_swap_in(struct memfile *mf, pgoff_t index,
					    swp_entry_t entry,
					    unsigned int state)
{
	return ERR_PTR(-EHWPOISON);
}

static inline void memfile_make_swappable(struct memfile *mf)
{
}

static inline int memfile_make_unswappable(struct memfile *mf)
{
	return 0;
}

static inline int memfile_page_out(struct memfile *mf, pgoff_t start,
				   pgoff_t end)
{
	return -EOPNOTSUPP;
}

static inline void memfile_prefetch(struct memfile *mf, pgoff_t start,
				    pgoff_t end)
{
}

static inline void memfile_swap_exit(struct memfile *mf)
{
}
#endif

#endif /* _MM_MEMFILE_INTERNAL_H */
