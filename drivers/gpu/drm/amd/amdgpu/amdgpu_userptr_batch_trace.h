/* SPDX-License-Identifier: MIT */
#if !defined(__AMDGPU_USERPTR_BATCH_TRACE_H__) || defined(TRACE_HEADER_MULTI_READ)
#define __AMDGPU_USERPTR_BATCH_TRACE_H__

#include <linux/tracepoint.h>
#include <linux/types.h>

#include "amdgpu_userptr_batch_priv.h"

#undef TRACE_SYSTEM
#define TRACE_SYSTEM amdgpu_userptr
#define TRACE_INCLUDE_FILE amdgpu_userptr_batch_trace

/* A batch is named by its BO, like in the other events of the driver. */

DECLARE_EVENT_CLASS(amdgpu_userptr_batch,
	TP_PROTO(struct amdgpu_userptr_batch *batch),
	TP_ARGS(batch),
	TP_STRUCT__entry(
		__field(struct amdgpu_bo *, bo)
		__field(u32, flags)
		__field(u32, ranges)
		__field(u32, notifiers)
		__field(u32, pages)
	),
	TP_fast_assign(
		__entry->bo = batch->bo;
		__entry->flags = batch->flags;
		__entry->ranges = batch->ranges.count;
		__entry->notifiers = batch->num_notifiers;
		__entry->pages = batch->ranges.npages;
	),
	TP_printk("bo=%p flags=0x%x ranges=%u notifiers=%u pages=%u",
		  __entry->bo, __entry->flags, __entry->ranges,
		  __entry->notifiers, __entry->pages)
);

/* A batch was created, its handle is about to be returned. */
DEFINE_EVENT(amdgpu_userptr_batch, amdgpu_userptr_batch_create,
	TP_PROTO(struct amdgpu_userptr_batch *batch),
	TP_ARGS(batch)
);

/* A batch goes away; also one that was never returned, because of an error. */
DEFINE_EVENT(amdgpu_userptr_batch, amdgpu_userptr_batch_destroy,
	TP_PROTO(struct amdgpu_userptr_batch *batch),
	TP_ARGS(batch)
);

/* DIRTY ranges were faulted; not emitted when there was none. */
TRACE_EVENT(amdgpu_userptr_batch_fault,
	TP_PROTO(struct amdgpu_userptr_batch *batch, u64 faults, u64 walks,
		 u32 bad_range, int ret),
	TP_ARGS(batch, faults, walks, bad_range, ret),
	TP_STRUCT__entry(
		__field(struct amdgpu_bo *, bo)
		__field(u64, faults)
		__field(u64, walks)
		__field(u32, bad_range)
		__field(int, ret)
	),
	TP_fast_assign(
		__entry->bo = batch->bo;
		__entry->faults = faults;
		__entry->walks = walks;
		__entry->bad_range = bad_range;
		__entry->ret = ret;
	),
	TP_printk("bo=%p faults=%llu walks=%llu bad_range=%d ret=%d",
		  __entry->bo, __entry->faults, __entry->walks,
		  (int)__entry->bad_range, __entry->ret)
);

/* A notifier was hit by the event [start, end). */
TRACE_EVENT(amdgpu_userptr_batch_invalidate,
	TP_PROTO(struct amdgpu_userptr_batch *batch, unsigned long start,
		 unsigned long end, u32 ranges, bool wait),
	TP_ARGS(batch, start, end, ranges, wait),
	TP_STRUCT__entry(
		__field(struct amdgpu_bo *, bo)
		__field(unsigned long, start)
		__field(unsigned long, end)
		__field(u32, ranges)
		__field(bool, wait)
	),
	TP_fast_assign(
		__entry->bo = batch->bo;
		__entry->start = start;
		__entry->end = end;
		__entry->ranges = ranges;
		__entry->wait = wait;
	),
	TP_printk("bo=%p start=0x%lx end=0x%lx ranges=%u wait=%d",
		  __entry->bo, __entry->start, __entry->end, __entry->ranges,
		  __entry->wait)
);

/* The page tables of a VM were brought up to date. */
TRACE_EVENT(amdgpu_userptr_batch_restore,
	TP_PROTO(struct amdgpu_userptr_batch *batch, u64 restores, u64 clears,
		 u64 updates, bool flush, int ret),
	TP_ARGS(batch, restores, clears, updates, flush, ret),
	TP_STRUCT__entry(
		__field(struct amdgpu_bo *, bo)
		__field(u64, restores)
		__field(u64, clears)
		__field(u64, updates)
		__field(bool, flush)
		__field(int, ret)
	),
	TP_fast_assign(
		__entry->bo = batch->bo;
		__entry->restores = restores;
		__entry->clears = clears;
		__entry->updates = updates;
		__entry->flush = flush;
		__entry->ret = ret;
	),
	TP_printk("bo=%p restores=%llu clears=%llu updates=%llu flush=%d ret=%d",
		  __entry->bo, __entry->restores, __entry->clears,
		  __entry->updates, __entry->flush, __entry->ret)
);

#endif

/* This part must be outside protection */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH ../../drivers/gpu/drm/amd/amdgpu
#include <trace/define_trace.h>
