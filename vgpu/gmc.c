/* SPDX-License-Identifier: MIT */
/*
 * Memory controller: the registers of the GC and MM hubs, as gfxhub_v3_0.c,
 * mmhub_v3_0.c and gmc_v11_0.c use them, and the reporting of faults.
 */
#include "gmc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hwregs.h"
#include "athub/athub_3_0_0_offset.h"
#include "gc/gc_11_0_0_default.h"
#include "gc/gc_11_0_0_offset.h"
#include "gc/gc_11_0_0_sh_mask.h"
#include "ivsrcid/vmc/irqsrcs_vmc_1_0.h"
#include "mmhub/mmhub_3_0_0_offset.h"
#include "mmhub/mmhub_3_0_0_sh_mask.h"
#include "oss/osssys_6_0_0_offset.h"
#include "soc15_ih_clientid.h"

/* Our choice; high like on boards, so that MC and VRAM offsets never mix up. */
#define FB_BASE		0x8000u			/* in units of 16 MiB */
#define FB_UNIT		(16ull << 20)
#define SYS_UNIT	(256ull << 10)
#define CONTEXTS	16

/* In a fault's second data dword (amdgpu_gmc.h, AMDGPU_GMC9_FAULT_SOURCE_DATA_*). */
#define FAULT_DATA_READ		0x40
#define FAULT_DATA_WRITE	0x20
/* Meaning of the PERMISSION_FAULTS bits. */
#define PERM_INVALID	0x1
#define PERM_READ	0x2
#define PERM_WRITE	0x4

extern const struct vgpu_block vgpu_block_gmc;

#define HUB_REGS(ip, vm, mc, lut, client) {				\
	.name = #ip,							\
	.fb_base = VREG(ip, reg##mc##_VM_FB_LOCATION_BASE),		\
	.fb_top = VREG(ip, reg##mc##_VM_FB_LOCATION_TOP),		\
	.fb_offset = VREG(ip, reg##mc##_VM_FB_OFFSET),			\
	.agp_base = VREG(ip, reg##mc##_VM_AGP_BASE),			\
	.agp_bot = VREG(ip, reg##mc##_VM_AGP_BOT),			\
	.agp_top = VREG(ip, reg##mc##_VM_AGP_TOP),			\
	.sys_low = VREG(ip, reg##mc##_VM_SYSTEM_APERTURE_LOW_ADDR),	\
	.sys_high = VREG(ip, reg##mc##_VM_SYSTEM_APERTURE_HIGH_ADDR),	\
	.ctx_cntl = VREG(ip, reg##vm##_CONTEXT0_CNTL),			\
	.ctx_disable = VREG(ip, reg##vm##_CONTEXTS_DISABLE),		\
	.pt_base = VREG(ip, reg##vm##_CONTEXT0_PAGE_TABLE_BASE_ADDR_LO32), \
	.pt_start = VREG(ip, reg##vm##_CONTEXT0_PAGE_TABLE_START_ADDR_LO32), \
	.pt_end = VREG(ip, reg##vm##_CONTEXT0_PAGE_TABLE_END_ADDR_LO32), \
	.sem = VREG(ip, reg##vm##_INVALIDATE_ENG0_SEM),			\
	.req = VREG(ip, reg##vm##_INVALIDATE_ENG0_REQ),			\
	.ack = VREG(ip, reg##vm##_INVALIDATE_ENG0_ACK),			\
	.l2_cntl2 = VREG(ip, reg##vm##_L2_CNTL2),			\
	.fault_cntl = VREG(ip, reg##vm##_L2_PROTECTION_FAULT_CNTL),	\
	.fault_status = VREG(ip, reg##vm##_L2_PROTECTION_FAULT_STATUS),	\
	.fault_addr = VREG(ip, reg##vm##_L2_PROTECTION_FAULT_ADDR_LO32), \
	.vmid_lut = VREG(OSSSYS, lut),					\
	.iv_client = client,						\
}

const struct gmc_hub_regs gmc_hub_regs[GMC_HUBS] = {
	[VGPU_HUB_GC] = HUB_REGS(GC, GCVM, GCMC, regIH_VMID_0_LUT,
				 SOC21_IH_CLIENTID_GFX),
	[VGPU_HUB_MM] = HUB_REGS(MMHUB, MMVM, MMMC, regIH_VMID_0_LUT_MM,
				 SOC21_IH_CLIENTID_VMC),
};

/* One set of field names serves both hubs. */
#define SAME_FIELD(reg, field)						\
	_Static_assert(GCVM_##reg##__##field##_MASK ==			\
		       MMVM_##reg##__##field##_MASK, "hubs differ in " #field)
SAME_FIELD(L2_PROTECTION_FAULT_STATUS, CID);
SAME_FIELD(L2_PROTECTION_FAULT_STATUS, VMID);
SAME_FIELD(L2_PROTECTION_FAULT_STATUS, RW);
SAME_FIELD(L2_PROTECTION_FAULT_STATUS, PERMISSION_FAULTS);
SAME_FIELD(INVALIDATE_ENG0_REQ, PER_VMID_INVALIDATE_REQ);
SAME_FIELD(INVALIDATE_ENG0_REQ, INVALIDATE_L2_PTES);
SAME_FIELD(INVALIDATE_ENG0_REQ, INVALIDATE_L2_PDE0);
SAME_FIELD(INVALIDATE_ENG0_REQ, INVALIDATE_L2_PDE1);
SAME_FIELD(INVALIDATE_ENG0_REQ, INVALIDATE_L2_PDE2);
SAME_FIELD(INVALIDATE_ENG0_REQ, INVALIDATE_L1_PTES);
SAME_FIELD(CONTEXT1_CNTL, PAGE_TABLE_DEPTH);
SAME_FIELD(CONTEXT1_CNTL, PAGE_TABLE_BLOCK_SIZE);
SAME_FIELD(CONTEXT1_CNTL, VALID_PROTECTION_FAULT_ENABLE_INTERRUPT);

struct gmc *gmc_get(struct vgpu *dev)
{
	return vgpu_block_priv(dev, &vgpu_block_gmc);
}

void vgpu_tlb_invalidate(struct vgpu *dev, enum vgpu_hub hub, uint32_t vmid_mask,
			 uint32_t parts)
{
	struct gmc *g = gmc_get(dev);

	GMC_STAT(g, flushes);
	vgpu_trace(dev, VGPU_TRACE_TLB, "flush %s vmids 0x%x", gmc_hub_regs[hub].name,
		   vmid_mask & 0xffff);
	if (vgpu_broken(dev, VGPU_BREAK_FLUSH))
		return;
	/* Even without a TLB: accesses by dropped translations end here. */
	pthread_rwlock_wrlock(&g->inflight);
	if (g->strict)
		tlb_flush(&g->tlb[hub], vmid_mask & 0xffff, parts);
	pthread_rwlock_unlock(&g->inflight);
}

void vgpu_tlb_flush(struct vgpu *dev, enum vgpu_hub hub, uint32_t vmid_mask)
{
	vgpu_tlb_invalidate(dev, hub, vmid_mask, VGPU_TLB_ALL);
}

void vgpu_vmid_set(struct vgpu *dev, unsigned int vmid, uint64_t pd_addr,
		   uint32_t pasid)
{
	const struct gmc_hub_regs *r = &gmc_hub_regs[VGPU_HUB_GC];

	if (!vmid || vmid >= GMC_VMIDS) {
		vgpu_count(dev, VGPU_LOG_ERROR, "gmc: firmware sets up VMID %u",
			   vmid);
		return;
	}
	vgpu_reg_poke(dev, r->pt_base + 2 * vmid, lower_32_bits(pd_addr));
	vgpu_reg_poke(dev, r->pt_base + 2 * vmid + 1, upper_32_bits(pd_addr));
	vgpu_reg_poke(dev, r->vmid_lut + vmid, pasid);
	/* Firmware hands a VMID to another process only with an empty TLB. */
	vgpu_tlb_flush(dev, VGPU_HUB_GC, 1u << vmid);
}

void vgpu_mem_stats(struct vgpu *dev, struct vgpu_mem_stats *stats)
{
	struct gmc *g = gmc_get(dev);

#define COPY(field)	\
	stats->field = __atomic_load_n(&g->stats.field, __ATOMIC_RELAXED)
	COPY(hits);
	COPY(fills);
	COPY(flushes);
	COPY(stale);
	COPY(fragment);
	COPY(dma_unmapped);
	COPY(faults);
#undef COPY
}

/* ---- faults ---- */

/* Is the interrupt for faults of @kind on in the context's control register? */
static bool fault_irq_enabled(uint32_t cntl, enum gmc_fault_kind kind)
{
	static const uint32_t bits[GMC_FAULTS] = {
#define ENABLE(what)	\
	GCVM_CONTEXT1_CNTL__##what##_PROTECTION_FAULT_ENABLE_INTERRUPT_MASK
		[GMC_FAULT_RANGE] = ENABLE(RANGE),
		[GMC_FAULT_PDE] = ENABLE(PDE0),
		[GMC_FAULT_VALID] = ENABLE(VALID),
		[GMC_FAULT_READ] = ENABLE(READ),
		[GMC_FAULT_WRITE] = ENABLE(WRITE),
#undef ENABLE
	};

	return cntl & bits[kind];
}

static const char *const fault_names[GMC_FAULTS] = {
	[GMC_FAULT_RANGE] = "out of range",
	[GMC_FAULT_PDE] = "no page table",
	[GMC_FAULT_VALID] = "page not valid",
	[GMC_FAULT_READ] = "page not readable",
	[GMC_FAULT_WRITE] = "page not writable",
};

static uint32_t fault_status(const struct vgpu_client *c, bool write,
			     enum gmc_fault_kind kind)
{
	uint32_t perm = write ? PERM_WRITE : PERM_READ;

	if (kind != GMC_FAULT_READ && kind != GMC_FAULT_WRITE)
		perm |= PERM_INVALID;
#define FIELD(field, v)	VFIELD(GCVM_L2_PROTECTION_FAULT_STATUS, field, v)
	return FIELD(PERMISSION_FAULTS, perm) |
	       FIELD(WALKER_ERROR, kind == GMC_FAULT_PDE ||
				   kind == GMC_FAULT_RANGE) |
	       FIELD(MAPPING_ERROR, kind == GMC_FAULT_PDE) |
	       FIELD(CID, c->cid) | FIELD(RW, write) | FIELD(VMID, c->vmid);
#undef FIELD
}

const char *gmc_client_name(const struct vgpu_client *c)
{
	/* gfxhub_client_ids in gfxhub_v3_0.c; those this device has. */
	static const char *const names[] = {
		[4] = "CPF", [5] = "CPC", [6] = "CPG", [7] = "RLC",
		[13] = "SDMA0", [14] = "SDMA1", [16] = "SDMA2", [17] = "SDMA3",
	};

	if (c->hub == VGPU_HUB_GC && c->cid < sizeof(names) / sizeof(names[0]) &&
	    names[c->cid])
		return names[c->cid];
	return gmc_hub_regs[c->hub].name;
}

void gmc_fault(struct gmc *g, const struct vgpu_client *c, uint64_t va,
	       bool write, enum gmc_fault_kind kind)
{
	const struct gmc_hub_regs *r = &gmc_hub_regs[c->hub];
	uint32_t status, cntl;
	struct vgpu_iv iv;

	va &= GMC_VA_MASK;
	if (GMC_STAT(g, faults) < GMC_LOGGED)
		vgpu_log(g->dev, VGPU_LOG_INFO,
			 "gmc: fault: %s vmid %u cid %u %s va 0x%llx: %s",
			 r->name, c->vmid, c->cid, write ? "write" : "read",
			 (unsigned long long)va, fault_names[kind]);

	vgpu_trace(g->dev, VGPU_TRACE_FAULT, "%s %s ring 0x%x vmid %u %s va 0x%llx: %s",
		   r->name, gmc_client_name(c), c->ring_id, c->vmid,
		   write ? "write" : "read", (unsigned long long)va, fault_names[kind]);
	pthread_mutex_lock(&g->fault_lock);
	status = vgpu_reg_peek(g->dev, r->fault_status);
	cntl = vgpu_reg_peek(g->dev, r->fault_cntl);
	/* The first fault stays in the registers until the driver clears it. */
	if (!status || VFIELD_GET(cntl, GCVM_L2_PROTECTION_FAULT_CNTL,
			ALLOW_SUBSEQUENT_PROTECTION_FAULT_STATUS_ADDR_UPDATES)) {
		status = fault_status(c, write, kind) |
			 (status ? GCVM_L2_PROTECTION_FAULT_STATUS__MORE_FAULTS_MASK : 0);
		vgpu_reg_poke(g->dev, r->fault_addr, va >> GMC_PAGE_SHIFT);
		vgpu_reg_poke(g->dev, r->fault_addr + 1, va >> 44);
	} else {
		status |= GCVM_L2_PROTECTION_FAULT_STATUS__MORE_FAULTS_MASK;
	}
	vgpu_reg_poke(g->dev, r->fault_status, status);
	pthread_mutex_unlock(&g->fault_lock);

	cntl = vgpu_reg_peek(g->dev, r->ctx_cntl + (c->vmid & (GMC_VMIDS - 1)));
	if (!fault_irq_enabled(cntl, kind)) {
		vgpu_count(g->dev, VGPU_LOG_INFO, "gmc: fault with interrupt off");
		return;
	}
	iv = (struct vgpu_iv){
		.client_id = r->iv_client,
		.src_id = UTCL2_1_0__SRCID__FAULT,
		.ring_id = c->ring_id,
		.vmid = c->vmid,
		.vmid_mm = c->hub == VGPU_HUB_MM,
		.pasid = vgpu_reg_peek(g->dev, r->vmid_lut +
				       (c->vmid & (GMC_VMIDS - 1))) & 0xffff,
		/* gmc_v11_0_process_interrupt() */
		.data = { va >> GMC_PAGE_SHIFT,
			  ((va >> 44) & 0xf) |
			  (write ? FAULT_DATA_WRITE : FAULT_DATA_READ) },
	};
	vgpu_irq(g->dev, &iv);
}

static void fault_clear(struct gmc *g, const struct gmc_hub_regs *r)
{
	pthread_mutex_lock(&g->fault_lock);
	vgpu_reg_poke(g->dev, r->fault_status, 0);
	vgpu_reg_poke(g->dev, r->fault_addr, 0);
	vgpu_reg_poke(g->dev, r->fault_addr + 1, 0);
	pthread_mutex_unlock(&g->fault_lock);
}

/* ---- registers ---- */

static enum vgpu_hub hub_of(uint32_t reg)
{
	/* All of the MM hub's registers lie above its base, GC's below it. */
	return reg >= MMHUB_BASE(0) ? VGPU_HUB_MM : VGPU_HUB_GC;
}

/* Reading 1 takes the semaphore, writing 0 gives it back. */
static uint32_t sem_read(struct vgpu *dev, void *priv, uint32_t reg)
{
	uint32_t taken = vgpu_reg_peek(dev, reg);

	(void)priv;
	vgpu_reg_poke(dev, reg, 1);
	return !taken;
}

static void sem_write(struct vgpu *dev, void *priv, uint32_t reg, uint32_t value)
{
	(void)priv;
	vgpu_reg_poke(dev, reg, value & 1);
}

#define REQ(field, v)	VFIELD_GET(v, GCVM_INVALIDATE_ENG0_REQ, field)

static void req_write(struct vgpu *dev, void *priv, uint32_t reg, uint32_t value)
{
	enum vgpu_hub hub = hub_of(reg);
	const struct gmc_hub_regs *r = &gmc_hub_regs[hub];
	uint32_t vmids = REQ(PER_VMID_INVALIDATE_REQ, value);
	uint32_t ack = r->ack + (reg - r->req), parts = 0;

	vgpu_reg_poke(dev, reg, value);
	vgpu_reg_poke(dev, ack, 0);
	if (REQ(CLEAR_PROTECTION_FAULT_STATUS_ADDR, value))
		fault_clear(priv, r);
	/*
	 * A translation is in both levels, so that a request for one of them keeps
	 * it. All FLUSH_TYPEs are heavyweight ones here: no access by what they drop
	 * outlives them.
	 */
	if (REQ(INVALIDATE_L2_PTES, value) && REQ(INVALIDATE_L1_PTES, value))
		parts |= VGPU_TLB_PTES;
	else
		vgpu_count(dev, VGPU_LOG_GUEST,
			   "gmc: invalidation request keeps page table entries");
	if (REQ(INVALIDATE_L2_PDE0, value))
		parts |= VGPU_TLB_PDE0;
	if (REQ(INVALIDATE_L2_PDE1, value))
		parts |= VGPU_TLB_PDE1;
	if (REQ(INVALIDATE_L2_PDE2, value))
		parts |= VGPU_TLB_PDE2;
	vgpu_tlb_invalidate(dev, hub, vmids, parts);
	vgpu_reg_poke(dev, ack, vmids);
}

static void l2_cntl2_write(struct vgpu *dev, void *priv, uint32_t reg,
			   uint32_t value)
{
	const uint32_t trigger = GCVM_L2_CNTL2__INVALIDATE_ALL_L1_TLBS_MASK |
				 GCVM_L2_CNTL2__INVALIDATE_L2_CACHE_MASK;

	(void)priv;
	vgpu_reg_poke(dev, reg, value & ~trigger);
	if ((value & trigger) == trigger)
		vgpu_tlb_flush(dev, hub_of(reg), 0xffff);
}

static void fault_cntl_write(struct vgpu *dev, void *priv, uint32_t reg,
			     uint32_t value)
{
	const uint32_t clear =
		GCVM_L2_PROTECTION_FAULT_CNTL__CLEAR_PROTECTION_FAULT_STATUS_ADDR_MASK;

	vgpu_reg_poke(dev, reg, value & ~clear);
	if (value & clear)
		fault_clear(priv, &gmc_hub_regs[hub_of(reg)]);
}

static void read_only(struct vgpu *dev, void *priv, uint32_t reg, uint32_t value)
{
	char name[64];

	(void)priv;
	(void)value;
	vgpu_count(dev, VGPU_LOG_GUEST, "gmc: write to read-only %s",
		   vgpu_reg_name(reg, name, sizeof(name)));
}

/* Ranges of one hub, and what the driver merely stores. */
#define HUB_RANGES(ip, vm, mc, top, sys_lo, sys_hi)			\
	{ VREG(ip, reg##mc##_VM_FB_LOCATION_BASE),			\
	  VREG(ip, reg##mc##_VM_FB_LOCATION_BASE), NULL, read_only, FB_BASE }, \
	{ VREG(ip, reg##mc##_VM_FB_LOCATION_TOP),			\
	  VREG(ip, reg##mc##_VM_FB_LOCATION_TOP), NULL, read_only, top }, \
	{ VREG(ip, reg##mc##_VM_FB_OFFSET),				\
	  VREG(ip, reg##mc##_VM_FB_OFFSET), NULL, read_only, 0 },	\
	/* AGP_BOT above AGP_TOP: no such aperture. */			\
	{ VREG(ip, reg##mc##_VM_AGP_TOP), VREG(ip, reg##mc##_VM_AGP_TOP), \
	  NULL, NULL, 0 },						\
	{ VREG(ip, reg##mc##_VM_AGP_BOT), VREG(ip, reg##mc##_VM_AGP_BOT), \
	  NULL, NULL, 0xffffff },					\
	{ VREG(ip, reg##mc##_VM_AGP_BASE), VREG(ip, reg##mc##_VM_AGP_BASE), \
	  NULL, NULL, 0 },						\
	/* As the VBIOS leaves them: VRAM can be reached. */		\
	{ VREG(ip, reg##mc##_VM_SYSTEM_APERTURE_LOW_ADDR),		\
	  VREG(ip, reg##mc##_VM_SYSTEM_APERTURE_LOW_ADDR), NULL, NULL, sys_lo }, \
	{ VREG(ip, reg##mc##_VM_SYSTEM_APERTURE_HIGH_ADDR),		\
	  VREG(ip, reg##mc##_VM_SYSTEM_APERTURE_HIGH_ADDR), NULL, NULL, sys_hi }, \
	{ VREG(ip, reg##mc##_VM_SYSTEM_APERTURE_DEFAULT_ADDR_LSB),	\
	  VREG(ip, reg##mc##_VM_SYSTEM_APERTURE_DEFAULT_ADDR_MSB), NULL, NULL, 0 }, \
	{ VREG(ip, reg##mc##_VM_MX_L1_TLB_CNTL),			\
	  VREG(ip, reg##mc##_VM_MX_L1_TLB_CNTL), NULL, NULL,		\
	  regGCMC_VM_MX_L1_TLB_CNTL_DEFAULT },				\
	{ VREG(ip, reg##vm##_CONTEXT0_CNTL),				\
	  VREG(ip, reg##vm##_CONTEXT0_CNTL) + CONTEXTS - 1, NULL, NULL,	\
	  regGCVM_CONTEXT0_CNTL_DEFAULT },				\
	{ VREG(ip, reg##vm##_CONTEXTS_DISABLE),				\
	  VREG(ip, reg##vm##_CONTEXTS_DISABLE), NULL, NULL, 0 },	\
	{ VREG(ip, reg##vm##_CONTEXT0_PAGE_TABLE_BASE_ADDR_LO32),	\
	  VREG(ip, reg##vm##_CONTEXT15_PAGE_TABLE_END_ADDR_HI32), NULL, NULL, 0 }, \
	{ VREG(ip, reg##vm##_INVALIDATE_ENG0_SEM),			\
	  VREG(ip, reg##vm##_INVALIDATE_ENG17_SEM), sem_read, sem_write, 0 }, \
	{ VREG(ip, reg##vm##_INVALIDATE_ENG0_REQ),			\
	  VREG(ip, reg##vm##_INVALIDATE_ENG17_REQ), NULL, req_write, 0 }, \
	{ VREG(ip, reg##vm##_INVALIDATE_ENG0_ACK),			\
	  VREG(ip, reg##vm##_INVALIDATE_ENG17_ACK), NULL, read_only, 0 }, \
	{ VREG(ip, reg##vm##_INVALIDATE_ENG0_ADDR_RANGE_LO32),		\
	  VREG(ip, reg##vm##_INVALIDATE_ENG17_ADDR_RANGE_HI32), NULL, NULL, 0 }, \
	{ VREG(ip, reg##vm##_L2_CNTL), VREG(ip, reg##vm##_L2_CNTL),	\
	  NULL, NULL, regGCVM_L2_CNTL_DEFAULT },			\
	{ VREG(ip, reg##vm##_L2_CNTL2), VREG(ip, reg##vm##_L2_CNTL2),	\
	  NULL, l2_cntl2_write, 0 },					\
	{ VREG(ip, reg##vm##_L2_CNTL3), VREG(ip, reg##vm##_L2_CNTL3),	\
	  NULL, NULL, regGCVM_L2_CNTL3_DEFAULT },			\
	{ VREG(ip, reg##vm##_L2_CNTL4), VREG(ip, reg##vm##_L2_CNTL4),	\
	  NULL, NULL, regGCVM_L2_CNTL4_DEFAULT },			\
	{ VREG(ip, reg##vm##_L2_CNTL5), VREG(ip, reg##vm##_L2_CNTL5),	\
	  NULL, NULL, regGCVM_L2_CNTL5_DEFAULT },			\
	{ VREG(ip, reg##vm##_L2_PROTECTION_FAULT_CNTL),			\
	  VREG(ip, reg##vm##_L2_PROTECTION_FAULT_CNTL), NULL,		\
	  fault_cntl_write, regGCVM_L2_PROTECTION_FAULT_CNTL_DEFAULT },	\
	{ VREG(ip, reg##vm##_L2_PROTECTION_FAULT_CNTL2),		\
	  VREG(ip, reg##vm##_L2_PROTECTION_FAULT_CNTL2), NULL, NULL, 0 }, \
	{ VREG(ip, reg##vm##_L2_PROTECTION_FAULT_STATUS),		\
	  VREG(ip, reg##vm##_L2_PROTECTION_FAULT_ADDR_HI32), NULL,	\
	  read_only, 0 },						\
	{ VREG(ip, reg##vm##_L2_PROTECTION_FAULT_DEFAULT_ADDR_LO32),	\
	  VREG(ip, reg##vm##_L2_PROTECTION_FAULT_DEFAULT_ADDR_HI32),	\
	  NULL, NULL, 0 },						\
	{ VREG(ip, reg##vm##_L2_CONTEXT1_IDENTITY_APERTURE_LOW_ADDR_LO32), \
	  VREG(ip, reg##vm##_L2_CONTEXT_IDENTITY_PHYSICAL_OFFSET_HI32),	\
	  NULL, NULL, 0 }

static int gmc_register(struct gmc *g)
{
	uint64_t base = FB_BASE * FB_UNIT, last = base + g->vram_size - 1;
	const struct vgpu_reg_range ranges[] = {
		HUB_RANGES(GC, GCVM, GCMC, last / FB_UNIT, base / SYS_UNIT,
			   last / SYS_UNIT),
		HUB_RANGES(MMHUB, MMVM, MMMC, last / FB_UNIT, base / SYS_UNIT,
			   last / SYS_UNIT),
		{ VREG(MMHUB, regMMVM_L2_BANK_SELECT_RESERVED_CID2),
		  VREG(MMHUB, regMMVM_L2_BANK_SELECT_RESERVED_CID2) },
		/* Clock gating: stored. */
		{ VREG(MMHUB, regMM_ATC_L2_MISC_CG), VREG(MMHUB, regMM_ATC_L2_MISC_CG) },
		{ VREG(ATHUB, regATHUB_MISC_CNTL), VREG(ATHUB, regATHUB_MISC_CNTL) },
	};

	/* The device keeps a pointer, and these hold this device's sizes. */
	g->ranges = malloc(sizeof(ranges));
	if (!g->ranges)
		return -ENOMEM;
	memcpy(g->ranges, ranges, sizeof(ranges));
	return vgpu_reg_register(g->dev, g->ranges, ARRAY_SIZE(ranges), g);
}

/* ---- block ---- */

static int inflight_init(pthread_rwlock_t *lock)
{
	pthread_rwlockattr_t attr;
	int r;

	r = pthread_rwlockattr_init(&attr);
	if (r)
		return -r;
	/* A queue that copies without pause must not hold off a flush. */
	pthread_rwlockattr_setkind_np(&attr,
				      PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	r = pthread_rwlock_init(lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	return -r;
}

static int gmc_init(struct vgpu *dev, void **priv)
{
	struct gmc *g;
	int r;

	g = calloc(1, sizeof(*g));
	if (!g)
		return -ENOMEM;
	g->dev = dev;
	g->vram = vgpu_vram(dev);
	g->vram_size = vgpu_vram_size(dev);
	g->strict = vgpu_strict_tlb(dev);
	r = inflight_init(&g->inflight);
	if (r)
		goto err_free;
	r = -pthread_mutex_init(&g->fault_lock, NULL);
	if (r)
		goto err_inflight;
	r = tlb_init(&g->tlb[VGPU_HUB_GC]);
	if (r)
		goto err_fault;
	r = tlb_init(&g->tlb[VGPU_HUB_MM]);
	if (r)
		goto err_tlb;
	r = gmc_register(g);
	if (r)
		goto err_ranges;
	*priv = g;
	return 0;

err_ranges:
	free(g->ranges);
	tlb_fini(&g->tlb[VGPU_HUB_MM]);
err_tlb:
	tlb_fini(&g->tlb[VGPU_HUB_GC]);
err_fault:
	pthread_mutex_destroy(&g->fault_lock);
err_inflight:
	pthread_rwlock_destroy(&g->inflight);
err_free:
	free(g);
	return r;
}

static void gmc_fini(struct vgpu *dev, void *priv)
{
	struct gmc *g = priv;

	(void)dev;
	tlb_fini(&g->tlb[VGPU_HUB_MM]);
	tlb_fini(&g->tlb[VGPU_HUB_GC]);
	pthread_mutex_destroy(&g->fault_lock);
	pthread_rwlock_destroy(&g->inflight);
	free(g->ranges);
	free(g);
}

static void gmc_reset(struct vgpu *dev, void *priv)
{
	(void)priv;
	vgpu_tlb_flush(dev, VGPU_HUB_GC, 0xffff);
	vgpu_tlb_flush(dev, VGPU_HUB_MM, 0xffff);
}

const struct vgpu_block vgpu_block_gmc = {
	.name = "gmc",
	.init = gmc_init,
	.fini = gmc_fini,
	.reset = gmc_reset,
};
