/* SPDX-License-Identifier: MIT */
/* Names of what a trace shows, see trace.h, and of interrupts. */
#include "trace.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "hwregs.h"
#include "ivsrcid/gfx/irqsrcs_gfx_11_0_0.h"
#include "ivsrcid/vmc/irqsrcs_vmc_1_0.h"
#include "soc15_ih_clientid.h"

static const char *const names[VGPU_TRACES] = {
	[VGPU_TRACE_REG] = "reg",
	[VGPU_TRACE_DOORBELL] = "doorbell",
	[VGPU_TRACE_PM4] = "pm4",
	[VGPU_TRACE_SDMA] = "sdma",
	[VGPU_TRACE_MES] = "mes",
	[VGPU_TRACE_QUEUE] = "queue",
	[VGPU_TRACE_IRQ] = "irq",
	[VGPU_TRACE_TLB] = "tlb",
	[VGPU_TRACE_FAULT] = "fault",
	[VGPU_TRACE_DMA] = "dma",
	[VGPU_TRACE_SOCKET] = "socket",
	[VGPU_TRACE_EVENT] = "event",
};

const char *vgpu_trace_name(unsigned int what)
{
	return what < VGPU_TRACES ? names[what] : NULL;
}

int vgpu_trace_parse(const char *list, uint32_t *mask, char *bad, size_t bad_len)
{
	*mask = 0;
	for (;;) {
		size_t len = strcspn(list, ",");
		unsigned int i;

		for (i = 0; i < VGPU_TRACES; i++)
			if (strlen(names[i]) == len && !memcmp(names[i], list, len))
				break;
		if (i == VGPU_TRACES) {
			snprintf(bad, bad_len, "%.*s", (int)len, list);
			return -EINVAL;
		}
		*mask |= 1u << i;
		if (!list[len])
			return 0;
		list += len + 1;
	}
}

static const struct vgpu_irq_source sources[] = {
	{ SOC21_IH_CLIENTID_GRBM_CP, GFX_11_0_0__SRCID__CP_EOP_INTERRUPT,
	  "CP_EOP", "a fence of the command processor" },
	{ SOC21_IH_CLIENTID_GRBM_CP, GFX_11_0_0__SRCID__CP_BAD_OPCODE_ERROR,
	  "CP_BAD_OPCODE", "a packet that is none: the queue hangs" },
	{ SOC21_IH_CLIENTID_GRBM_CP, GFX_11_0_0__SRCID__CP_PRIV_REG_FAULT,
	  "CP_PRIV_REG", "a process touched a register of the kernel's: the queue hangs" },
	{ SOC21_IH_CLIENTID_GRBM_CP, GFX_11_0_0__SRCID__CP_PRIV_INSTR_FAULT,
	  "CP_PRIV_INSTR", "a process used a packet of the kernel's: the queue hangs" },
	{ SOC21_IH_CLIENTID_GFX, GFX_11_0_0__SRCID__SDMA_TRAP,
	  "SDMA_TRAP", "a TRAP packet" },
	{ SOC21_IH_CLIENTID_GFX, GFX_11_0_0__SRCID__SDMA_FENCE,
	  "SDMA_FENCE", "the protected fence of a user queue" },
	{ SOC21_IH_CLIENTID_GFX, UTCL2_1_0__SRCID__FAULT,
	  "VM_FAULT", "of the GC hub" },
	{ SOC21_IH_CLIENTID_VMC, UTCL2_1_0__SRCID__FAULT,
	  "VM_FAULT", "of the MM hub" },
	{ SOC21_IH_CLIENTID_IH, 0, "IH_RING1", "there is something in ring 1" },
};

const struct vgpu_irq_source *vgpu_irq_source(unsigned int i)
{
	return i < ARRAY_SIZE(sources) ? &sources[i] : NULL;
}

const char *vgpu_irq_name(unsigned int client, unsigned int src)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sources); i++)
		if (sources[i].client == client && sources[i].src == src)
			return sources[i].name;
	return "?";
}

/* ---- text ---- */

void trace_add(struct trace_text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (t->n + 1 >= t->len)
		return;
	va_start(ap, fmt);
	n = vsnprintf(t->buf + t->n, t->len - t->n, fmt, ap);
	va_end(ap);
	t->n += n < 0 ? 0 : n;
}

void trace_reg(struct trace_text *t, uint32_t reg)
{
	char name[64];

	trace_add(t, "%s", vgpu_reg_name(reg, name, sizeof(name)));
}

void trace_dwords(struct trace_text *t, const uint32_t *p, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n && i < 4; i++)
		trace_add(t, " 0x%x", p[i]);
	if (n > 4)
		trace_add(t, " ... (%u dwords)", n);
}
