/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM memfile

#if !defined(_TRACE_MEMFILE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_MEMFILE_H

#include <linux/fs.h>
#include <linux/memfile.h>
#include <linux/tracepoint.h>

/* What a file's memory can do has changed. */
TRACE_EVENT(memfile_caps,

	TP_PROTO(struct memfile *mf, unsigned long old, unsigned long new),

	TP_ARGS(mf, old, new),

	TP_STRUCT__entry(
		__field(ino_t, ino)
		__field(unsigned long, old)
		__field(unsigned long, new)
	),

	TP_fast_assign(
		__entry->ino = mf->mapping->host->i_ino;
		__entry->old = old;
		__entry->new = new;
	),

	TP_printk("ino=%lu old=%#lx new=%#lx", (unsigned long)__entry->ino,
		  __entry->old, __entry->new)
);

/* The consumers have flushed their TLBs on behalf of a batch. */
TRACE_EVENT(memfile_flush,

	TP_PROTO(struct memfile *mf),

	TP_ARGS(mf),

	TP_STRUCT__entry(
		__field(ino_t, ino)
	),

	TP_fast_assign(
		__entry->ino = mf->mapping->host->i_ino;
	),

	TP_printk("ino=%lu", (unsigned long)__entry->ino)
);

/* A folio was moved, or could not be (ret). */
TRACE_EVENT(memfile_move,

	TP_PROTO(struct memfile *mf, pgoff_t index, struct folio *src,
		 struct folio *dst, int ret),

	TP_ARGS(mf, index, src, dst, ret),

	TP_STRUCT__entry(
		__field(ino_t, ino)
		__field(pgoff_t, index)
		__field(unsigned long, src)
		__field(unsigned long, dst)
		__field(int, ret)
	),

	TP_fast_assign(
		__entry->ino = mf->mapping->host->i_ino;
		__entry->index = index;
		__entry->src = folio_pfn(src);
		__entry->dst = folio_pfn(dst);
		__entry->ret = ret;
	),

	TP_printk("ino=%lu index=%lu src=%#lx dst=%#lx ret=%d",
		  (unsigned long)__entry->ino, __entry->index, __entry->src,
		  __entry->dst, __entry->ret)
);

DECLARE_EVENT_CLASS(memfile_swap,

	TP_PROTO(struct memfile *mf, pgoff_t index, int ret),

	TP_ARGS(mf, index, ret),

	TP_STRUCT__entry(
		__field(ino_t, ino)
		__field(pgoff_t, index)
		__field(int, ret)
	),

	TP_fast_assign(
		__entry->ino = mf->mapping->host->i_ino;
		__entry->index = index;
		__entry->ret = ret;
	),

	TP_printk("ino=%lu index=%lu ret=%d", (unsigned long)__entry->ino,
		  __entry->index, __entry->ret)
);

/* A folio was given to swap, or has to stay (AOP_WRITEPAGE_ACTIVATE). */
DEFINE_EVENT(memfile_swap, memfile_swapout,
	TP_PROTO(struct memfile *mf, pgoff_t index, int ret),
	TP_ARGS(mf, index, ret)
);

/* A swapped index was made resident, or could not be (ret). */
DEFINE_EVENT(memfile_swap, memfile_swapin,
	TP_PROTO(struct memfile *mf, pgoff_t index, int ret),
	TP_ARGS(mf, index, ret)
);

#endif /* _TRACE_MEMFILE_H */

#include <trace/define_trace.h>
