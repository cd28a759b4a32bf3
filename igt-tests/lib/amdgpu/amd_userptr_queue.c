// SPDX-License-Identifier: MIT

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/sync_file.h>

#include "igt.h"
#include "lib/amdgpu/amd_PM4.h"
#include "lib/amdgpu/amd_sdma.h"
#include "lib/amdgpu/amd_userptr_queue.h"

/* What not every header has: as in libdrm's tests of user queues, and Mesa's name. */
#ifndef PACKET3_PROTECTED_FENCE_SIGNAL
#define PACKET3_PROTECTED_FENCE_SIGNAL 0xd0
#endif
#ifndef SDMA_OPCODE_FENCE
#define SDMA_OPCODE_FENCE 5
#endif
#ifndef SDMA_OPCODE_POLL_REGMEM
#define SDMA_OPCODE_POLL_REGMEM 8
#endif

/* the kind of FENCE that only user queues have; libdrm writes it as 0x305 */
#define SDMA_FENCE_SUB_OPCODE_PROTECTED 3
/* POLL_REGMEM: ">=" in bits 28-30, memory instead of a register in bit 31 */
#define SDMA_POLL_GREATER_EQUAL_MEMORY (5u << 28 | 1u << 31)
/* POLL_REGMEM: clocks between two looks, and look for ever */
#define SDMA_POLL_FOREVER (10 | 0xfffu << 16)
/* what no SDMA packet begins with; and a kind of packet that engines of today do not have */
#define SDMA_NO_OPCODE 0xff
#define PACKET1 (1u << 30)
/* WAIT_REG_MEM: ">=" */
#define WAIT_GREATER_EQUAL 5
#define WAIT_INTERVAL 4

#define RING_SIZE (256ull << 10)
#define RING_DWORDS (RING_SIZE / 4)
/* what the kernel wants to be mapped for a compute queue's end-of-pipe events */
#define EOP_SIZE 4096
/* what all engines copy with one packet */
#define COPY_MAX (2ull << 20)
/* how often -EBUSY is asked again */
#define BUSY_TRIES 100
/* of the doorbells in a page: not the first, so that a wrong index is noticed */
#define BELL 4

const struct userq_kind_info userq_kinds[USERQ_KINDS] = {
	[USERQ_GFX] = { "gfx", AMDGPU_HW_IP_GFX },
	[USERQ_COMPUTE] = { "compute", AMDGPU_HW_IP_COMPUTE },
	[USERQ_SDMA] = { "sdma", AMDGPU_HW_IP_DMA },
};

/* libdrm has functions for these only since 2.4.125. Returns 0 or a negative error number. */
static int userq_ioctl(struct batch_gpu *gpu, unsigned long request, void *args)
{
	int r = drmIoctl(gpu->fd, request, args) ? -errno : 0;

	errno = 0;
	return r;
}

/*
 * The address space
 */

/**
 * userq_buffer_init:
 * @gpu: device
 * @b: to be initialized; batch_buffer_fini() takes it back
 * @size: size in bytes
 * @alignment: of the GPU address, in bytes
 *
 * Makes an ordinary GTT BO that no GPU cache keeps, filled with zeroes. The page
 * tables may still have to be written: see userq_settle().
 */
void userq_buffer_init(struct batch_gpu *gpu, struct batch_buffer *b, uint64_t size,
		       uint64_t alignment)
{
	struct amdgpu_bo_alloc_request request = {
		.alloc_size = (size + BATCH_PAGE - 1) / BATCH_PAGE * BATCH_PAGE,
		.phys_alignment = BATCH_PAGE,
		.preferred_heap = AMDGPU_GEM_DOMAIN_GTT,
	};

	if (alignment < BATCH_PAGE)
		alignment = BATCH_PAGE;
	b->size = request.alloc_size;
	do_or_die(amdgpu_bo_alloc(gpu->dev, &request, &b->bo));
	do_or_die(amdgpu_bo_export(b->bo, amdgpu_bo_handle_type_kms, &b->handle));
	do_or_die(amdgpu_bo_cpu_map(b->bo, &b->cpu));
	memset(b->cpu, 0, b->size);
	do_or_die(amdgpu_va_range_alloc(gpu->dev, amdgpu_gpu_va_range_general, b->size,
					alignment, 0, &b->va, &b->va_handle, 0));
	do_or_die(amdgpu_bo_va_op_raw(gpu->dev, b->bo, 0, b->size, b->va,
				      AMDGPU_VM_PAGE_READABLE | AMDGPU_VM_PAGE_WRITEABLE |
				      AMDGPU_VM_MTYPE_UC, AMDGPU_VA_OP_MAP));
}

static int64_t deadline(int64_t timeout_ns)
{
	struct timespec now;

	if (!timeout_ns)
		return 0;
	do_or_die(clock_gettime(CLOCK_MONOTONIC, &now));
	return now.tv_sec * 1000000000ll + now.tv_nsec + timeout_ns;
}

/**
 * userq_settle:
 * @gpu: device
 *
 * Waits until what was mapped before is in the page tables. The kernel writes them
 * in order, so it is enough to wait for one more mapping, which is taken away again.
 */
void userq_settle(struct batch_gpu *gpu)
{
	struct drm_amdgpu_gem_va args = {
		.handle = gpu->ib.handle,
		.map_size = BATCH_PAGE,
	};
	amdgpu_va_handle va_handle;
	uint64_t va;
	uint32_t op;

	do_or_die(amdgpu_va_range_alloc(gpu->dev, amdgpu_gpu_va_range_general, BATCH_PAGE,
					BATCH_PAGE, 0, &va, &va_handle, 0));
	args.va_address = va;
	do_or_die(drmSyncobjCreate(gpu->fd, 0, &args.vm_timeline_syncobj_out));
	for (op = AMDGPU_VA_OP_MAP; op <= AMDGPU_VA_OP_UNMAP; op++) {
		args.operation = op;
		args.flags = op == AMDGPU_VA_OP_MAP ? AMDGPU_VM_PAGE_READABLE : 0;
		igt_assert_eq(userq_ioctl(gpu, DRM_IOCTL_AMDGPU_GEM_VA, &args), 0);
		do_or_die(drmSyncobjWait(gpu->fd, &args.vm_timeline_syncobj_out, 1,
					 deadline(USERQ_TIMEOUT_NS), 0, NULL));
	}
	do_or_die(drmSyncobjDestroy(gpu->fd, args.vm_timeline_syncobj_out));
	do_or_die(amdgpu_va_range_free(va_handle));
}

/**
 * userq_assert_no_fault:
 * @gpu: device
 *
 * Asserts that no engine met an address of this file that it could not use.
 */
void userq_assert_no_fault(struct batch_gpu *gpu)
{
	struct drm_amdgpu_info_gpuvm_fault fault = {};

	do_or_die(amdgpu_query_info(gpu->dev, AMDGPU_INFO_GPUVM_FAULT, sizeof(fault),
				    &fault));
	igt_assert_f(!fault.addr && !fault.status, "VM fault at %#llx, status %#x\n",
		     (unsigned long long)fault.addr, fault.status);
}

/*
 * Life
 */

/**
 * userq_file_init:
 * @gpu: to be initialized
 * @fd: any file of the device
 *
 * Opens the device once more.
 */
void userq_file_init(struct batch_gpu *gpu, int fd)
{
	/* queues have staging buffers of their own */
	batch_gpu_init_queues(gpu, drm_reopen_driver(fd), BATCH_PAGE);
}

/**
 * userq_file_fini:
 * @gpu: device
 *
 * Closes the file.
 */
void userq_file_fini(struct batch_gpu *gpu)
{
	int fd = gpu->fd;

	batch_gpu_fini(gpu);
	drm_close_driver(fd);
}

/**
 * userq_supported:
 * @gpu: device
 * @kind: which engine
 *
 * Returns: whether there are user queues of this kind.
 */
bool userq_supported(struct batch_gpu *gpu, enum userq_kind kind)
{
	struct drm_amdgpu_info_device info = {};

	do_or_die(amdgpu_query_info(gpu->dev, AMDGPU_INFO_DEV_INFO, sizeof(info), &info));
	return info.userq_ip_mask & 1u << userq_kinds[kind].ip;
}

/**
 * userq_require:
 * @gpu: device
 * @kind: which engine
 *
 * Skips the subtest if there are no user queues of this kind.
 */
void userq_require(struct batch_gpu *gpu, enum userq_kind kind)
{
	igt_require_f(userq_supported(gpu, kind),
		      "no %s user queues (module parameter user_queue)\n",
		      userq_kinds[kind].name);
}

/* What the kernel says of the memory that firmware wants for a queue. */
struct areas {
	uint32_t shadow_size, shadow_alignment, csa_size, csa_alignment;
};

/*
 * The answer begins with the same four words in drm_amdgpu_info_uq_fw_areas of older
 * headers and in drm_amdgpu_info_uq_metadata of newer ones.
 */
static void query_areas(struct batch_gpu *gpu, struct areas *areas)
{
	struct drm_amdgpu_info info = {
		.return_pointer = (uintptr_t)areas,
		.return_size = sizeof(*areas),
		.query = AMDGPU_INFO_UQ_FW_AREAS,
		.query_hw_ip.type = AMDGPU_HW_IP_GFX,
	};

	do_ioctl(gpu->fd, DRM_IOCTL_AMDGPU_INFO, &info);
}

/**
 * userq_prepare:
 * @q: to be initialized
 * @gpu: device
 * @kind: which engine
 * @staging_size: size in bytes of the buffer that is the other end of copies
 *
 * Makes all that a queue needs, but not the queue.
 */
void userq_prepare(struct userq *q, struct batch_gpu *gpu, enum userq_kind kind,
		   uint64_t staging_size)
{
	struct areas areas = {};
	struct amdgpu_bo_alloc_request request = {
		.alloc_size = BATCH_PAGE,
		.phys_alignment = BATCH_PAGE,
		.preferred_heap = AMDGPU_GEM_DOMAIN_DOORBELL,
	};
	void *bell;

	memset(q, 0, sizeof(*q));
	q->gpu = gpu;
	q->kind = kind;
	userq_buffer_init(gpu, &q->ring, RING_SIZE, 0);
	/* the kernel wants the write pointer in a BO of its own */
	userq_buffer_init(gpu, &q->rptr, BATCH_PAGE, 0);
	userq_buffer_init(gpu, &q->wptr, BATCH_PAGE, 0);
	userq_buffer_init(gpu, &q->gate, BATCH_PAGE, 0);
	userq_buffer_init(gpu, &q->staging, staging_size, 0);
	q->gate_va = q->gate.va;
	q->gate_cpu = q->gate.cpu;

	if (kind != USERQ_COMPUTE)
		query_areas(gpu, &areas);
	if (kind == USERQ_COMPUTE)
		userq_buffer_init(gpu, &q->extra[0], EOP_SIZE, 0);
	else
		userq_buffer_init(gpu, &q->extra[0], areas.csa_size,
				  areas.csa_alignment);
	if (kind == USERQ_GFX)
		userq_buffer_init(gpu, &q->extra[1], areas.shadow_size,
				  areas.shadow_alignment);

	do_or_die(amdgpu_bo_alloc(gpu->dev, &request, &q->doorbell));
	do_or_die(amdgpu_bo_export(q->doorbell, amdgpu_bo_handle_type_kms,
				   &q->doorbell_handle));
	do_or_die(amdgpu_bo_cpu_map(q->doorbell, &bell));
	q->bell = (volatile uint64_t *)bell + BELL;
	do_or_die(drmSyncobjCreate(gpu->fd, 0, &q->syncobj));
	/* an engine looks at its memory as soon as the queue exists */
	userq_settle(gpu);
}

/**
 * __userq_create:
 * @q: prepared
 *
 * Returns: 0 or a negative error number.
 */
int __userq_create(struct userq *q)
{
	struct drm_amdgpu_userq_mqd_gfx11 gfx = {
		.shadow_va = q->extra[1].va,
		.csa_va = q->extra[0].va,
	};
	struct drm_amdgpu_userq_mqd_compute_gfx11 compute = { .eop_va = q->extra[0].va };
	struct drm_amdgpu_userq_mqd_sdma_gfx11 sdma = { .csa_va = q->extra[0].va };
	const struct {
		void *p;
		size_t size;
	} mqd[] = {
		[USERQ_GFX] = { &gfx, sizeof(gfx) },
		[USERQ_COMPUTE] = { &compute, sizeof(compute) },
		[USERQ_SDMA] = { &sdma, sizeof(sdma) },
	};
	union drm_amdgpu_userq args = {
		.in = {
			.op = AMDGPU_USERQ_OP_CREATE,
			.ip_type = userq_kinds[q->kind].ip,
			.doorbell_handle = q->doorbell_handle,
			.doorbell_offset = BELL,
			.queue_va = q->ring.va,
			.queue_size = RING_SIZE,
			.rptr_va = q->rptr.va,
			.wptr_va = q->wptr.va,
			.mqd = (uintptr_t)mqd[q->kind].p,
			.mqd_size = mqd[q->kind].size,
		},
	};
	int r;

	/* a queue starts from zero */
	q->put = 0;
	q->rung = 0;
	q->done = 0;
	memset(q->wptr.cpu, 0, q->wptr.size);
	memset(q->rptr.cpu, 0, q->rptr.size);
	r = userq_ioctl(q->gpu, DRM_IOCTL_AMDGPU_USERQ, &args);
	if (!r)
		q->id = args.out.queue_id;
	return r;
}

/**
 * userq_init:
 * @q: to be initialized
 * @gpu: device
 * @kind: which engine
 * @staging_size: size in bytes of the buffer that is the other end of copies
 */
void userq_init(struct userq *q, struct batch_gpu *gpu, enum userq_kind kind,
		uint64_t staging_size)
{
	userq_prepare(q, gpu, kind, staging_size);
	igt_assert_eq(__userq_create(q), 0);
}

/**
 * userq_destroy:
 * @q: queue
 *
 * Destroys the queue; what it was made of stays.
 */
void userq_destroy(struct userq *q)
{
	union drm_amdgpu_userq args = {
		.in = {
			.op = AMDGPU_USERQ_OP_FREE,
			.queue_id = q->id,
		},
	};

	igt_assert_eq(userq_ioctl(q->gpu, DRM_IOCTL_AMDGPU_USERQ, &args), 0);
	q->id = 0;
}

/**
 * userq_fini:
 * @q: queue, or only prepared
 */
void userq_fini(struct userq *q)
{
	if (q->id)
		userq_destroy(q);
	do_or_die(drmSyncobjDestroy(q->gpu->fd, q->syncobj));
	do_or_die(amdgpu_bo_cpu_unmap(q->doorbell));
	do_or_die(amdgpu_bo_free(q->doorbell));
	if (q->kind == USERQ_GFX)
		batch_buffer_fini(&q->extra[1]);
	batch_buffer_fini(&q->extra[0]);
	batch_buffer_fini(&q->staging);
	batch_buffer_fini(&q->gate);
	batch_buffer_fini(&q->wptr);
	batch_buffer_fini(&q->rptr);
	batch_buffer_fini(&q->ring);
}

/*
 * Work
 */

static void emit(struct userq *q, const uint32_t *dwords, unsigned int n)
{
	volatile uint32_t *ring = q->ring.cpu;

	igt_assert_f(q->put + n - q->done <= RING_DWORDS, "the ring is full\n");
	while (n--)
		ring[q->put++ % RING_DWORDS] = *dwords++;
}

static uint32_t low(uint64_t x) { return (uint32_t)x; }
static uint32_t high(uint64_t x) { return (uint32_t)(x >> 32); }

/**
 * userq_emit_copy:
 * @q: queue
 * @dst: GPU address to write to
 * @src: GPU address to read from
 * @size: bytes, multiple of 4
 */
void userq_emit_copy(struct userq *q, uint64_t dst, uint64_t src, uint64_t size)
{
	uint64_t now;

	for (; size; size -= now, dst += now, src += now) {
		now = size < COPY_MAX ? size : COPY_MAX;
		if (q->kind == USERQ_SDMA)
			emit(q, (uint32_t []) {
				SDMA_PACKET(SDMA_OPCODE_COPY, SDMA_COPY_SUB_OPCODE_LINEAR, 0),
				low(now - 1), 0, low(src), high(src), low(dst), high(dst),
			}, 7);
		else
			emit(q, (uint32_t []) {
				PACKET3(PACKET3_DMA_DATA, 5),
				/* memory to memory, and not beside the next packet */
				PACKET3_DMA_DATA_CP_SYNC,
				low(src), high(src), low(dst), high(dst), low(now),
			}, 7);
	}
}

/**
 * userq_emit_gate:
 * @q: queue
 *
 * The engine does not go on from here before userq_open_gates().
 */
void userq_emit_gate(struct userq *q)
{
	uint64_t va = q->gate_va;

	q->gates++;
	if (q->kind == USERQ_SDMA)
		emit(q, (uint32_t []) {
			SDMA_PACKET(SDMA_OPCODE_POLL_REGMEM, 0, 0) |
			SDMA_POLL_GREATER_EQUAL_MEMORY,
			low(va), high(va), q->gates, UINT32_MAX, SDMA_POLL_FOREVER,
		}, 6);
	else
		emit(q, (uint32_t []) {
			PACKET3(PACKET3_WAIT_REG_MEM, 5),
			WAIT_REG_MEM_MEM_SPACE(1) | WAIT_REG_MEM_FUNCTION(WAIT_GREATER_EQUAL),
			low(va), high(va), q->gates, UINT32_MAX, WAIT_INTERVAL,
		}, 7);
}

/**
 * userq_emit_bad:
 * @q: queue
 *
 * The engine does not get beyond this, whatever is done: there is no such packet.
 */
void userq_emit_bad(struct userq *q)
{
	emit(q, (uint32_t []) { q->kind == USERQ_SDMA ? SDMA_NO_OPCODE : PACKET1 }, 1);
}

/**
 * userq_open_gates:
 * @q: queue
 *
 * Opens all gates that were emitted.
 */
void userq_open_gates(struct userq *q)
{
	__atomic_store_n(q->gate_cpu, q->gates, __ATOMIC_RELEASE);
}

/**
 * __userq_signal:
 * @q: queue
 *
 * Asks the kernel for a fence for what userq_submit() said is there.
 *
 * Returns: 0 or a negative error number.
 */
int __userq_signal(struct userq *q)
{
	struct drm_amdgpu_userq_signal args = {
		.queue_id = q->id,
		.syncobj_handles = (uintptr_t)&q->syncobj,
		.num_syncobj_handles = 1,
	};

	return userq_ioctl(q->gpu, DRM_IOCTL_AMDGPU_USERQ_SIGNAL, &args);
}

/* Linux' struct drm_amdgpu_userq_wait; copies of the header may lack the queue's number */
struct userq_wait_args {
	uint32_t waitq_id;
	uint32_t pad;
	uint64_t syncobj_handles;
	uint64_t unused[4];
	uint16_t num_syncobj_timeline_handles;
	uint16_t num_fences;
	uint16_t num_syncobj_handles;
	uint16_t pad0;
	uint32_t num_bo_read_handles;
	uint32_t num_bo_write_handles;
	uint64_t out_fences;
};

#define USERQ_WAIT DRM_IOWR(DRM_COMMAND_BASE + DRM_AMDGPU_USERQ_WAIT, struct userq_wait_args)

/**
 * __userq_wait_for:
 * @q: queue that is to wait
 * @syncobj: for what
 * @info: room for one fence
 * @count: how many were returned, 0 or 1
 *
 * What a queue has to wait for before it may go on after @syncobj, as USERQ_WAIT says. Of
 * fences that are no user fences alone the kernel itself waits for the end.
 *
 * Returns: 0 or a negative error number.
 */
int __userq_wait_for(struct userq *q, uint32_t syncobj,
		     struct drm_amdgpu_userq_fence_info *info, unsigned int *count)
{
	struct userq_wait_args args = {
		.waitq_id = q->id,
		.syncobj_handles = (uintptr_t)&syncobj,
		.num_syncobj_handles = 1,
		.num_fences = 1,
		.out_fences = (uintptr_t)info,
	};
	int r = userq_ioctl(q->gpu, USERQ_WAIT, &args);

	*count = args.num_fences;
	return r;
}

/* Ends the work with a fence and tells the write pointer, in the engine's unit. */
static uint64_t finish(struct userq *q)
{
	/* SDMA counts bytes, the command processor dwords */
	unsigned int unit = q->kind == USERQ_SDMA ? 4 : 1;

	/* the engine writes what the kernel compares with the write pointer */
	if (q->rung != q->put) {
		if (q->kind == USERQ_SDMA)
			emit(q, (uint32_t []) {
				SDMA_PACKET(SDMA_OPCODE_FENCE,
					    SDMA_FENCE_SUB_OPCODE_PROTECTED, 0),
			}, 1);
		else
			emit(q, (uint32_t []) {
				PACKET3(PACKET3_PROTECTED_FENCE_SIGNAL, 0), 0,
			}, 2);
		q->rung = q->put;
		__atomic_store_n((uint64_t *)q->wptr.cpu, q->put * unit, __ATOMIC_RELEASE);
	}
	__sync_synchronize();
	return q->put * unit;
}

/**
 * userq_ring_bell:
 * @q: queue
 *
 * Starts what was emitted without a fence: nobody waits for this work, and the queue
 * may be taken off the engine in the middle of it.
 */
void userq_ring_bell(struct userq *q)
{
	*q->bell = finish(q);
}

/**
 * __userq_submit:
 * @q: queue
 *
 * Starts what was emitted. The kernel makes the fence first, which waits for an
 * eviction to be over: whoever then takes memory away waits for this work.
 *
 * Returns: 0 or a negative error number. With an error the doorbell is not rung,
 * and the same work is submitted by the next call.
 */
int __userq_submit(struct userq *q)
{
	uint64_t wptr = finish(q);
	int r = __userq_signal(q);

	if (!r)
		*q->bell = wptr;
	return r;
}

/**
 * userq_submit:
 * @q: queue
 *
 * Starts what was emitted. The kernel may say that memory in the address space keeps
 * changing, but not for ever.
 */
void userq_submit(struct userq *q)
{
	int r = -EBUSY, tries;

	for (tries = 0; tries < BUSY_TRIES && r == -EBUSY; tries++)
		r = __userq_submit(q);
	igt_assert_eq(r, 0);
}

/* What became of the fence in the syncobj: 1 done, 0 not yet, or its error. */
static int fence_status(struct userq *q)
{
	struct sync_file_info info = {};
	int fd;

	do_or_die(drmSyncobjExportSyncFile(q->gpu->fd, q->syncobj, &fd));
	do_or_die(ioctl(fd, SYNC_IOC_FILE_INFO, &info));
	close(fd);
	return info.status;
}

/**
 * __userq_wait:
 * @q: queue
 * @timeout_ns: how long at most
 *
 * Waits for the last submission.
 *
 * Returns: 0 when it is done, -ETIME when it takes too long, or what it failed with.
 */
int __userq_wait(struct userq *q, int64_t timeout_ns)
{
	int r = drmSyncobjWait(q->gpu->fd, &q->syncobj, 1, deadline(timeout_ns), 0, NULL);

	if (r)
		return r;
	q->done = q->rung;
	r = fence_status(q);
	return r < 0 ? r : 0;
}

/**
 * userq_wait:
 * @q: queue
 *
 * Waits for the last submission, which must succeed.
 */
void userq_wait(struct userq *q)
{
	igt_assert_eq(__userq_wait(q, USERQ_TIMEOUT_NS), 0);
}

/**
 * userq_busy:
 * @q: queue
 *
 * Returns: whether the last submission is not yet done.
 */
bool userq_busy(struct userq *q)
{
	return __userq_wait(q, 0) == -ETIME;
}

/**
 * userq_copy:
 * @q: queue
 * @dst: GPU address to write to
 * @src: GPU address to read from
 * @size: bytes, multiple of 4
 *
 * Copies, and waits for it.
 */
void userq_copy(struct userq *q, uint64_t dst, uint64_t src, uint64_t size)
{
	userq_emit_copy(q, dst, src, size);
	userq_submit(q);
	userq_wait(q);
}
