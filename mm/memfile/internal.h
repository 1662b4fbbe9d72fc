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
bool memfile_folio_may_stay(struct folio *folio);

#ifdef CONFIG_MIGRATION
int memfile_make_unmovable(struct memfile *mf);
#else
static inline int memfile_make_unmovable(struct memfile *mf)
{
	return 0;
}
#endif

#endif /* _MM_MEMFILE_INTERNAL_H */
