/* SPDX-License-Identifier: MIT */
/*
 * User queues for tests of userptrs: made, filled with copies and waits, rung,
 * waited for, destroyed.
 */
#ifndef AMD_USERPTR_QUEUE_H
#define AMD_USERPTR_QUEUE_H

#include "lib/amdgpu/amd_userptr_batch.h"

enum userq_kind { USERQ_GFX, USERQ_COMPUTE, USERQ_SDMA, USERQ_KINDS };

/* names for subtests, and AMDGPU_HW_IP_* */
extern const struct userq_kind_info {
	const char *name;
	uint32_t ip;
} userq_kinds[USERQ_KINDS];

/**
 * struct userq - a user queue and what it is made of
 * @gpu: file that it is in
 * @kind: which engine
 * @ring: packets
 * @rptr: where the engine says how far it is
 * @wptr: where it is told how far it may go
 * @extra: memory that the kind of queue wants
 * @gate: a word that userq_emit_gate() lets the engine wait for
 * @gate_va: GPU address of the word; may be set to that of other memory
 * @gate_cpu: its CPU address
 * @staging: other end of copies
 * @doorbell: memory of the doorbell
 * @doorbell_handle: GEM handle of @doorbell
 * @bell: the doorbell
 * @id: number, 0 while the queue does not exist
 * @syncobj: holds the fence of the last submission
 * @put: dwords that were written to the ring in all
 * @rung: @put as the engine knows it
 * @done: @put at the last submission that was waited for
 * @gates: gates that were emitted in all
 */
struct userq {
	struct batch_gpu *gpu;
	enum userq_kind kind;
	struct batch_buffer ring, rptr, wptr, extra[2], gate, staging;
	uint64_t gate_va;
	uint32_t *gate_cpu;
	amdgpu_bo_handle doorbell;
	uint32_t doorbell_handle;
	volatile uint64_t *bell;
	uint32_t id;
	uint32_t syncobj;
	uint64_t put, rung, done;
	uint32_t gates;
};

/* long enough for emulated devices on busy machines */
#define USERQ_TIMEOUT_NS (120ll * 1000 * 1000 * 1000)

/* a file of its own for each subtest: what one breaks the next does not meet */
void userq_file_init(struct batch_gpu *gpu, int fd);
void userq_file_fini(struct batch_gpu *gpu);

/* life */
bool userq_supported(struct batch_gpu *gpu, enum userq_kind kind);
void userq_require(struct batch_gpu *gpu, enum userq_kind kind);
void userq_prepare(struct userq *q, struct batch_gpu *gpu, enum userq_kind kind,
		   uint64_t staging_size);
int __userq_create(struct userq *q);
void userq_init(struct userq *q, struct batch_gpu *gpu, enum userq_kind kind,
		uint64_t staging_size);
void userq_destroy(struct userq *q);
void userq_fini(struct userq *q);

/* the address space of a file with queues */
void userq_buffer_init(struct batch_gpu *gpu, struct batch_buffer *b, uint64_t size,
		       uint64_t alignment);
void userq_settle(struct batch_gpu *gpu);
void userq_assert_no_fault(struct batch_gpu *gpu);

/* work */
void userq_emit_copy(struct userq *q, uint64_t dst, uint64_t src, uint64_t size);
void userq_emit_gate(struct userq *q);
void userq_emit_bad(struct userq *q);
void userq_open_gates(struct userq *q);
int __userq_signal(struct userq *q);
int __userq_wait_for(struct userq *q, uint32_t syncobj,
		     struct drm_amdgpu_userq_fence_info *info, unsigned int *count);
void userq_ring_bell(struct userq *q);
int __userq_submit(struct userq *q);
void userq_submit(struct userq *q);
int __userq_wait(struct userq *q, int64_t timeout_ns);
void userq_wait(struct userq *q);
bool userq_busy(struct userq *q);
void userq_copy(struct userq *q, uint64_t dst, uint64_t src, uint64_t size);

#endif
