/* SPDX-License-Identifier: MIT */
/*
 * The device interface: all that an IP block of the virtual GPU may know.
 *
 * Blocks (nbio, gmc, ih, cp, sdma, mes, ...) do not include each other. They
 * find the rest of the device through the services declared here, and the
 * device finds them through struct vgpu_block. Only transport.c knows how the
 * device reaches a guest; tests/ replace it by a fake host.
 *
 * Threads: register and doorbell handlers run on the thread that serves the
 * guest's access, with the register lock held. They must not wait and must not
 * touch guest memory; what takes time is handed to a queue's own thread
 * (queue.h). Everything declared here may be called from any thread unless
 * said otherwise.
 *
 * Lock order: queue lock -> register lock -> interrupt ring lock -> DMA lock.
 */
#ifndef VGPU_DEVICE_H
#define VGPU_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vgpu;

/* ---- the host side: implemented by transport.c and by tests/fake_host.c ---- */

enum vgpu_log_level {
	VGPU_LOG_ERROR,		/* the model is wrong or out of resources */
	VGPU_LOG_GUEST,		/* the guest did what hardware forbids */
	VGPU_LOG_UNIMP,		/* not modelled; counted, refused */
	VGPU_LOG_INFO,
	VGPU_LOG_TRACE,
};

struct vgpu_host_ops {
	/*
	 * Pointer to guest memory at DMA address @addr, of which *@len bytes
	 * (lowered if less is contiguous) may be accessed; NULL if nothing, or
	 * nothing writable when @write, is mapped there. Valid only between
	 * dma_lock() and dma_unlock().
	 */
	void *(*dma_ptr)(void *opaque, uint64_t addr, size_t *len, bool write);
	/* Shared by all users; excludes the guest's changes of the mapping. */
	void (*dma_lock)(void *opaque);
	void (*dma_unlock)(void *opaque);
	/* Raise message-signalled interrupt @vector. */
	void (*raise_irq)(void *opaque, unsigned int vector);
	/* Monotonic time in nanoseconds. */
	uint64_t (*now)(void *opaque);
	/* One line, without newline. */
	void (*log)(void *opaque, enum vgpu_log_level level, const char *line);
	/* How many ranges of DMA addresses are mapped now; NULL: nobody knows. */
	uint64_t (*dma_ranges)(void *opaque);
};

/* ---- device ---- */

/* What a trace shows; vgpu_trace_name() and --trace-only name them. */
enum vgpu_trace {
	VGPU_TRACE_REG,		/* register accesses, of the guest and of engines */
	VGPU_TRACE_DOORBELL,
	VGPU_TRACE_PM4,		/* packets of the command processor */
	VGPU_TRACE_SDMA,
	VGPU_TRACE_MES,		/* scheduler frames */
	VGPU_TRACE_QUEUE,	/* queues mapped and unmapped */
	VGPU_TRACE_IRQ,
	VGPU_TRACE_TLB,		/* flushes */
	VGPU_TRACE_FAULT,
	VGPU_TRACE_DMA,		/* guest memory mapped and unmapped */
	VGPU_TRACE_SOCKET,	/* the vfio-user connection */
	VGPU_TRACE_EVENT,	/* all that is counted, each time */
	VGPU_TRACES,
};
#define VGPU_TRACE_ALL	((1u << VGPU_TRACES) - 1)

/*
 * Raw data of the guest's, for the seeds of the fuzzers (record.c): registers
 * and doorbells as tests/fuzz/fuzz_regs.c has them, packets and frames as they are.
 */
enum vgpu_record {
	VGPU_RECORD_REG, VGPU_RECORD_GFX, VGPU_RECORD_COMPUTE, VGPU_RECORD_KIQ,
	VGPU_RECORD_SDMA, VGPU_RECORD_MES, VGPU_RECORD_SOCKET, VGPU_RECORDS,
};

struct vgpu_config {
	uint64_t vram_size;		/* bytes, multiple of 1 MiB */
	void *vram;			/* vram_size bytes, shared with the guest */
	const struct vgpu_host_ops *host;
	void *host_opaque;
	bool strict_tlb;		/* keep translations until they are flushed */
	uint32_t trace;			/* mask of 1 << enum vgpu_trace: log these */
	/* Called with raw data from any thread; may be NULL. */
	void (*record)(void *opaque, enum vgpu_record what, const void *data,
		       size_t len);
	void *record_opaque;
	uint32_t broken;		/* mask of enum vgpu_break */
	unsigned int sdma_engines;	/* that discovery tells of; 0: one */
};

/*
 * Fault injection for testing the tests: a part of the device that does
 * nothing although it reports success.
 */
enum vgpu_break {
	VGPU_BREAK_COPY = 1 << 0,	/* copy packets of all engines */
	VGPU_BREAK_FILL = 1 << 1,	/* constant fill packets */
	VGPU_BREAK_FLUSH = 1 << 2,	/* TLB flushes (with strict_tlb) */
};

/* All blocks in the order of their initialisation, NULL-terminated. */
struct vgpu_block {
	const char *name;
	/*
	 * Registers handlers and services; returns 0 or a negative errno, then
	 * nothing is left behind and neither fini nor reset is called.
	 */
	int (*init)(struct vgpu *dev, void **priv);
	/* Stop all threads of the block; no callback runs afterwards. */
	void (*fini)(struct vgpu *dev, void *priv);
	/*
	 * Power-on state: called once after all blocks are initialised, and when
	 * the guest resets the function. The registers have their reset values
	 * already; the register lock is not held. May be NULL.
	 */
	void (*reset)(struct vgpu *dev, void *priv);
};

struct vgpu *vgpu_create(const struct vgpu_config *cfg,
			 const struct vgpu_block *const *blocks, int *err);
void vgpu_destroy(struct vgpu *dev);
void vgpu_reset(struct vgpu *dev);

uint64_t vgpu_now(struct vgpu *dev);
void *vgpu_vram(struct vgpu *dev);
uint64_t vgpu_vram_size(struct vgpu *dev);
unsigned int vgpu_sdma_engines(struct vgpu *dev);
bool vgpu_strict_tlb(struct vgpu *dev);
bool vgpu_broken(struct vgpu *dev, enum vgpu_break what);
/* Where the engines' packets can be held: gate.h. */
struct gates *vgpu_gates(struct vgpu *dev);
/*
 * What init() of @block stored in *priv; NULL if the device has no such block.
 * For the services below, which get no priv of their own.
 */
void *vgpu_block_priv(struct vgpu *dev, const struct vgpu_block *block);

/* The host's services of the same names; for gmc.c and ih.c. */
void *vgpu_dma_ptr(struct vgpu *dev, uint64_t addr, size_t *len, bool write);
void vgpu_dma_lock(struct vgpu *dev);
void vgpu_dma_unlock(struct vgpu *dev);
void vgpu_raise_irq(struct vgpu *dev, unsigned int vector);

void vgpu_log(struct vgpu *dev, enum vgpu_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * A line of the trace, of level VGPU_LOG_TRACE, if @what is on: "reg  text". What is dear to
 * compute is computed after asking vgpu_tracing().
 */
bool vgpu_tracing(struct vgpu *dev, enum vgpu_trace what);
void vgpu_trace(struct vgpu *dev, enum vgpu_trace what, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Hand raw data to whoever records it. */
void vgpu_record(struct vgpu *dev, enum vgpu_record what, const void *data, size_t len);

/*
 * Count event @what ("cp: unknown packet 0x9f") and log its first occurrences.
 * All counts are printed at exit. @level tells what kind of event it is.
 */
void vgpu_count(struct vgpu *dev, enum vgpu_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The event that fails a run: counted by gmc.c besides its log line. */
#define VGPU_COUNT_STALE	"gmc: stale translation used"

/* Statistics: add @n to @what; shown at exit, never logged. */
void vgpu_stat(struct vgpu *dev, const char *what, uint64_t n);

/* Visit counts and statistics in order of level and name; INFO: statistics. */
typedef void (*vgpu_counter_fn)(void *arg, enum vgpu_log_level level,
				const char *what, uint64_t n);
void vgpu_counters(struct vgpu *dev, vgpu_counter_fn fn, void *arg);
/* The sum of counts of @level, or those of one event; 0 if it never happened. */
uint64_t vgpu_counted(struct vgpu *dev, enum vgpu_log_level level);
uint64_t vgpu_counted_event(struct vgpu *dev, const char *what);

/* ---- registers: addressed by dword number, as the kernel's headers do ---- */

typedef uint32_t (*vgpu_reg_read_fn)(struct vgpu *dev, void *priv, uint32_t reg);
typedef void (*vgpu_reg_write_fn)(struct vgpu *dev, void *priv, uint32_t reg,
				  uint32_t value);

/*
 * A run of registers with behaviour. Without a handler for a direction the
 * register is plain storage; a register in no table is storage too, but its
 * first access is logged by name and counted as unknown.
 */
struct vgpu_reg_range {
	uint32_t first, last;		/* inclusive dword numbers */
	vgpu_reg_read_fn read;
	vgpu_reg_write_fn write;
	uint32_t reset;			/* power-on value of each */
};

/*
 * @ranges stay the caller's and must outlive the device. A range with handlers
 * replaces one without, whichever comes first; -EEXIST if two have handlers for
 * the same register, -EINVAL for a range that ends before it begins, -ENOMEM.
 */

int vgpu_reg_register(struct vgpu *dev, const struct vgpu_reg_range *ranges,
		      size_t n, void *priv);

/* Visit all ranges in the order in which blocks registered them. */
typedef void (*vgpu_reg_range_fn)(void *arg, const char *block,
				  const struct vgpu_reg_range *range);
void vgpu_reg_ranges(struct vgpu *dev, vgpu_reg_range_fn fn, void *arg);

/* Guest or engine access, with side effects. */
uint32_t vgpu_reg_read(struct vgpu *dev, uint32_t reg);
void vgpu_reg_write(struct vgpu *dev, uint32_t reg, uint32_t value);
/* The storage behind a register, without side effects: atomic, takes no lock. */
uint32_t vgpu_reg_peek(struct vgpu *dev, uint32_t reg);
void vgpu_reg_poke(struct vgpu *dev, uint32_t reg, uint32_t value);
/* "GC:CP_STAT" or "0x1234"; from the kernel's headers, see regnames. */
const char *vgpu_reg_name(uint32_t reg, char *buf, size_t len);
/*
 * The register lock, for state shared between handlers and other threads.
 * Recursive.
 */
void vgpu_reg_lock(struct vgpu *dev);
void vgpu_reg_unlock(struct vgpu *dev);
/*
 * Around a wait for a thread that may need the register lock: releases all of
 * the caller's holds and returns their number, which _resume takes back.
 */
unsigned int vgpu_reg_lock_suspend(struct vgpu *dev);
void vgpu_reg_lock_resume(struct vgpu *dev, unsigned int depth);

/* ---- doorbells: byte offset in BAR2 / 4 ---- */

typedef void (*vgpu_doorbell_fn)(struct vgpu *dev, void *priv, uint32_t index,
				 uint64_t value);
/* -EBUSY if the index is taken. @fn runs like a register write handler. */
int vgpu_doorbell_bind(struct vgpu *dev, uint32_t index, vgpu_doorbell_fn fn,
		       void *priv);
void vgpu_doorbell_unbind(struct vgpu *dev, uint32_t index);
/* How many are bound now. */
unsigned int vgpu_doorbells_bound(struct vgpu *dev);
/* How many ranges of DMA addresses the guest has mapped now; 0 if nobody knows. */
uint64_t vgpu_dma_ranges(struct vgpu *dev);
/* Guest access of 4 or 8 bytes (@size). Rings nobody bound are counted. */
void vgpu_doorbell_ring(struct vgpu *dev, uint32_t index, uint64_t value,
			unsigned int size);

/* ---- memory as an engine sees it: provided by gmc.c ---- */

enum vgpu_hub { VGPU_HUB_GC, VGPU_HUB_MM };

/* Who accesses: selects the address space, and is reported in a fault. */
struct vgpu_client {
	enum vgpu_hub hub;
	uint8_t vmid;		/* 0: the kernel's, GART and VRAM apertures */
	uint8_t cid;		/* client id in L2_PROTECTION_FAULT_STATUS */
	uint8_t ring_id;	/* in the fault's interrupt vector */
};

/*
 * Translate and access @len bytes at virtual address @va. Return 0 or
 * -EFAULT: then the fault was reported to the guest (registers, interrupt);
 * what could not be read is zero, what could not be written is dropped. Where
 * the translation is right but its DMA address not mapped for the device,
 * reads give all ones and the event is counted: see vgpu_mem_stats.
 */
int vgpu_mem_read(struct vgpu *dev, const struct vgpu_client *c, uint64_t va,
		  void *buf, size_t len);
int vgpu_mem_write(struct vgpu *dev, const struct vgpu_client *c, uint64_t va,
		   const void *buf, size_t len);
/* Regions may overlap as memmove() allows. */
int vgpu_mem_copy(struct vgpu *dev, const struct vgpu_client *c, uint64_t dst,
		  uint64_t src, uint64_t len);
/* Repeat the dword @pattern over @len bytes, multiple of 4. */
int vgpu_mem_fill(struct vgpu *dev, const struct vgpu_client *c, uint64_t dst,
		  uint32_t pattern, uint64_t len);
/* Naturally aligned single accesses: acquire load, release store. */
int vgpu_mem_read32(struct vgpu *dev, const struct vgpu_client *c, uint64_t va,
		    uint32_t *value);
int vgpu_mem_read64(struct vgpu *dev, const struct vgpu_client *c, uint64_t va,
		    uint64_t *value);
int vgpu_mem_write32(struct vgpu *dev, const struct vgpu_client *c, uint64_t va,
		     uint32_t value);
int vgpu_mem_write64(struct vgpu *dev, const struct vgpu_client *c, uint64_t va,
		     uint64_t value);
/* Read-modify-write of @size 4 or 8 bytes, atomic against the guest's CPUs. */
int vgpu_mem_atomic(struct vgpu *dev, const struct vgpu_client *c, uint64_t va,
		    unsigned int size,
		    uint64_t (*op)(uint64_t old, void *arg), void *arg,
		    uint64_t *old);
/*
 * Guest memory by DMA address, untranslated, any length. 0, or -EFAULT if some
 * of it is not mapped for the device: counted, logged as done by @who, that
 * part reads all ones.
 */
int vgpu_dma_read(struct vgpu *dev, const char *who, uint64_t addr, void *buf,
		  size_t len);
int vgpu_dma_write(struct vgpu *dev, const char *who, uint64_t addr,
		   const void *buf, size_t len);
/*
 * What the memory model saw since the start. Not zero in @stale, @fragment or
 * @dma_unmapped means a defect of the guest's driver.
 */
struct vgpu_mem_stats {
	uint64_t hits, fills, flushes;	/* of the strict TLB */
	uint64_t stale;		/* used after the page table entry changed */
	uint64_t fragment;	/* entry's fragment disagrees with its neighbours */
	uint64_t dma_unmapped;	/* DMA addresses that are not mapped */
	uint64_t faults;	/* reported to the guest */
};
void vgpu_mem_stats(struct vgpu *dev, struct vgpu_mem_stats *stats);
/* What is kept of page tables, as an invalidation request names it. */
enum vgpu_tlb_part {
	VGPU_TLB_PTES = 1 << 0,		/* translations, of any size */
	VGPU_TLB_PDE0 = 1 << 1,		/* entries that point to page tables */
	VGPU_TLB_PDE1 = 1 << 2,		/* to directories above these */
	VGPU_TLB_PDE2 = 1 << 3,
	VGPU_TLB_ALL = 0xf,
};
/*
 * Drop @parts of what is kept for every VMID in @vmid_mask on @hub; when it
 * returns, no access is under way any more that uses it.
 */
void vgpu_tlb_invalidate(struct vgpu *dev, enum vgpu_hub hub, uint32_t vmid_mask,
			 uint32_t parts);
/* All parts. */
void vgpu_tlb_flush(struct vgpu *dev, enum vgpu_hub hub, uint32_t vmid_mask);
/* VMID set-up by firmware: page directory as amdgpu_gmc_pd_addr() gives it. */
void vgpu_vmid_set(struct vgpu *dev, unsigned int vmid, uint64_t pd_addr,
		   uint32_t pasid);

/* ---- interrupts: provided by ih.c ---- */

struct vgpu_iv {
	uint8_t client_id;	/* soc15_ih_clientid.h */
	uint8_t src_id;		/* ivsrcid/ */
	uint8_t ring_id;
	uint8_t vmid;
	bool vmid_mm;		/* vmid belongs to the MM hub */
	uint32_t pasid;
	uint32_t data[4];
};
void vgpu_irq(struct vgpu *dev, const struct vgpu_iv *iv);
/* The kinds this device raises, for traces and lists; trace.c. NULL beyond the last. */
struct vgpu_irq_source {
	uint8_t client, src;
	const char *name, *meaning;
};
const struct vgpu_irq_source *vgpu_irq_source(unsigned int i);
/* "CP_EOP"; "?" for one the device never raises. */
const char *vgpu_irq_name(unsigned int client, unsigned int src);

/* ---- engines: provided by cp.c and sdma.c, used by mes.c and KIQ ---- */

enum vgpu_engine { VGPU_ENGINE_GFX, VGPU_ENGINE_COMPUTE, VGPU_ENGINE_SDMA,
		   VGPU_ENGINE_MES, VGPU_ENGINES };

/* What firmware knows of a queue it maps; the rest is in the queue's MQD. */
struct vgpu_queue_map {
	uint64_t mqd_addr;	/* VMID 0 address */
	uint64_t wptr_addr;	/* VMID 0 address, 0: take it from the MQD */
	uint32_t doorbell;	/* index in dwords */
	uint8_t me, pipe, queue;
	uint8_t vmid;
	uint32_t pasid;
	bool user;		/* a process's own queue, found by its doorbell */
};

/* How a queue leaves its slot. */
enum vgpu_unmap {
	/*
	 * Preempt it: it stops at a packet boundary or in a wait, and where it
	 * stands is saved in its MQD. -ETIMEDOUT if it is hung.
	 */
	VGPU_UNMAP_SAVE,
	/* Reset it, whatever it does: its MQD says that all of it was executed. */
	VGPU_UNMAP_RESET,
	/* Stop it, whatever it does; no memory is written. */
	VGPU_UNMAP_DROP,
};

/* What a mapped queue is doing. */
struct vgpu_queue_state {
	/* In the unit of its write pointer, not wrapped; size of its ring. */
	uint64_t rptr, wptr, size;
	bool starting;		/* has not looked yet whether there is work */
	bool hung;		/* by a bad packet: only a reset gets it out */
	bool halted;		/* by an error; executes nothing any more */
};

struct vgpu_engine_ops {
	/* 0, -EBUSY (slot or doorbell taken), -EINVAL, -ENOSPC, -ENOMEM */
	int (*map)(struct vgpu *dev, void *priv, const struct vgpu_queue_map *m);
	/* 0, -ENOENT (no queue with this doorbell), -ETIMEDOUT */
	int (*unmap)(struct vgpu *dev, void *priv, uint32_t doorbell,
		     enum vgpu_unmap how);
	/* May be NULL, as the next. 0 or -ENOENT */
	int (*state)(struct vgpu *dev, void *priv, uint32_t doorbell,
		     struct vgpu_queue_state *state);
	/*
	 * What VGPU_UNMAP_RESET does to the MQD of a queue that is not mapped.
	 * 0, -EINVAL, -EFAULT
	 */
	int (*discard)(struct vgpu *dev, void *priv,
		       const struct vgpu_queue_map *m);
};
void vgpu_engine_register(struct vgpu *dev, enum vgpu_engine engine,
			  const struct vgpu_engine_ops *ops, void *priv);
int vgpu_engine_map(struct vgpu *dev, enum vgpu_engine engine,
		    const struct vgpu_queue_map *m);
int vgpu_engine_unmap(struct vgpu *dev, enum vgpu_engine engine,
		      uint32_t doorbell, enum vgpu_unmap how);
int vgpu_engine_state(struct vgpu *dev, enum vgpu_engine engine,
		      uint32_t doorbell, struct vgpu_queue_state *state);
int vgpu_engine_discard(struct vgpu *dev, enum vgpu_engine engine,
			const struct vgpu_queue_map *m);

#endif
