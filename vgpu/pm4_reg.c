/* SPDX-License-Identifier: MIT */
/* Packets that set registers, and which registers a process may touch. */
#include <errno.h>

#include "pm4_internal.h"
#include "gc/gc_11_0_0_offset.h"
#include "nvd.h"

/*
 * Registers a process's command stream may access: context and shader state,
 * and of the user configuration space (dwords 0xC000-0xFFFF) what is neither
 * firmware nor power control: 0xC000-0xC7FF, performance counters 0xD000-0xDFFF.
 */
static const struct {
	uint32_t first, last;
} open_regs[] = {
	{ PACKET3_SET_SH_REG_START, PACKET3_SET_SH_REG_END - 1 },
	{ PACKET3_SET_CONTEXT_REG_START, PACKET3_SET_CONTEXT_REG_END - 1 },
	{ PACKET3_SET_UCONFIG_REG_START, 0xC7FF },
	{ 0xD000, 0xDFFF },
};

static bool is_privileged(const struct pm4_run *run)
{
	return !run->client.vmid && !run->env->user;
}

bool pm4_reg_allowed(struct pm4_run *run, uint32_t reg)
{
	char name[64];
	size_t i;

	if (is_privileged(run))
		return true;
	for (i = 0; i < ARRAY_SIZE(open_regs); i++)
		if (reg >= open_regs[i].first && reg <= open_regs[i].last)
			return true;
	vgpu_count(run->dev, VGPU_LOG_GUEST, "pm4: privileged register %s",
		   vgpu_reg_name(reg, name, sizeof(name)));
	return false;
}

/*
 * State for shaders, which nothing here looks at, is stored without side
 * effects: the lists are long and the registers many. What the driver's own
 * rings say of configuration registers counts as if it had written to them.
 */
static int set_state(struct pm4_run *run, const uint32_t *p, uint32_t n,
		     uint32_t start, uint32_t end)
{
	bool is_config = start == PACKET3_SET_CONFIG_REG_START ||
			 start == PACKET3_SET_UCONFIG_REG_START;
	void (*set)(struct vgpu *, uint32_t, uint32_t) =
		is_config && is_privileged(run) ? vgpu_reg_write : vgpu_reg_poke;
	uint32_t reg = start + (p[0] & 0xFFFF), i;

	if (reg >= end || n - 1 > end - reg)
		return -EINVAL;
	for (i = 1; i < n; i++, reg++) {
		if (!pm4_reg_allowed(run, reg))
			return -EPERM;
		set(run->dev, reg, p[i]);
	}
	return 0;
}

int pm4_set_context_reg(struct pm4_run *run, const uint32_t *p, uint32_t n)
{
	return set_state(run, p, n, PACKET3_SET_CONTEXT_REG_START,
			 PACKET3_SET_CONTEXT_REG_END);
}

int pm4_set_sh_reg(struct pm4_run *run, const uint32_t *p, uint32_t n)
{
	return set_state(run, p, n, PACKET3_SET_SH_REG_START,
			 PACKET3_SET_SH_REG_END);
}

int pm4_set_uconfig_reg(struct pm4_run *run, const uint32_t *p, uint32_t n)
{
	/* nvd.h's end is too low: the space has 0x4000 registers. */
	return set_state(run, p, n, PACKET3_SET_UCONFIG_REG_START,
			 PACKET3_SET_UCONFIG_REG_START + 0x4000);
}

int pm4_set_config_reg(struct pm4_run *run, const uint32_t *p, uint32_t n)
{
	uint32_t reg = p[0] & 0xFFFF;

	/*
	 * gfx_v11_0_ring_emit_ib_compute() gives the register's own offset,
	 * not its distance from the start of the space.
	 */
	if (reg == regGDS_COMPUTE_MAX_WAVE_ID)
		return 0;
	return set_state(run, p, n, PACKET3_SET_CONFIG_REG_START,
			 PACKET3_SET_CONFIG_REG_END);
}

/* Register, AND mask, OR value (bit 31 of the first dword: from registers). */
int pm4_reg_rmw(struct pm4_run *run, const uint32_t *p, uint32_t n)
{
	uint32_t reg = p[0] & 0x3FFFF;

	(void)n;
	if (p[0] >> 30) {
		vgpu_count(run->dev, VGPU_LOG_UNIMP,
			   "pm4: REG_RMW with register operands not modelled");
		return 0;
	}
	if (!pm4_reg_allowed(run, reg))
		return -EPERM;
	vgpu_reg_write(run->dev, reg, (vgpu_reg_read(run->dev, reg) & p[1]) | p[2]);
	return 0;
}
