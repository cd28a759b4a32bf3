/* SPDX-License-Identifier: MIT */
/*
 * The SMU (MP1), which manages power: its mailbox.
 *
 * There is no power to manage: limits and clock ranges are taken and change nothing,
 * no feature is on, metrics tables say that the device is idle. What cannot be answered
 * so is refused. A thread executes the messages, because some write tables to memory.
 *
 * The interface is that of MP1 15.0.8 (pm/swsmu/smu15/smu_v15_0_8_ppt.c), the smallest
 * with which the driver starts without a warning. It needs neither SMU firmware nor a
 * pptable. With most others, amdgpu_gfx_profile_ring_begin_use() asks for a power profile
 * during the first ring test, which is before the SMU's own start when firmware is loaded
 * directly (amdgpu_discovery_set_ip_blocks()), and logs that this failed.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "blocks.h"
#include "hwregs.h"

#include "gc/gc_11_0_0_offset.h"
#include "gc/gc_11_0_0_sh_mask.h"
#include "mp/mp_15_0_8_offset.h"
#include "smu_v15_0_8_pmfw.h"
#include "smu_v15_0_8_ppsmc.h"

/* The mailbox (smu_v15_0_8_init_msg_ctl()). */
#define MESSAGE		VREG(MP1, regMP1_SMN_C2PMSG_40)
#define RESPONSE	VREG(MP1, regMP1_SMN_C2PMSG_41)
#define ARGUMENT	VREG(MP1, regMP1_SMN_C2PMSG_42)	/* first of four */
#define ARGUMENTS	4
/* MP1_FIRMWARE_FLAGS by its SMN address: interrupts enabled, so it runs. */
#define FLAGS		(0x3b10024 / 4)
/* SMU15_DRIVER_IF_VERSION_SMU_V15_0_8 of smu_v15_0.h, which is not a header of its own. */
#define INTERFACE	0x007d0000
#define VERSION		0x00540000
/* What all clocks run at, MHz: that of the time stamps. */
#define CLOCK_MHZ	100
#define POWER_W		100
/* Memory client of the MM hub (mmhub_client_ids_v3_0_0). */
#define CLIENT_MP1	7

struct smu {
	struct vgpu *dev;
	pthread_t thread;
	pthread_mutex_t lock;	/* innermost: nothing is taken inside */
	pthread_cond_t wake, idle;
	uint32_t message;	/* to be executed, or 0 */
	bool busy, stop;
	uint64_t tables;	/* of the driver, for metrics: an address of VMID 0 */
	uint32_t ppt_w;		/* power limit, which nothing here comes near to */
};

static uint32_t argument(struct smu *s, unsigned int i)
{
	return vgpu_reg_peek(s->dev, ARGUMENT + i);
}

static void answer(struct smu *s, uint32_t value)
{
	vgpu_reg_poke(s->dev, ARGUMENT, value);
}

/* Write a table to where the driver wants tables. */
static uint32_t give(struct smu *s, const void *table, size_t len)
{
	const struct vgpu_client client = {
		.hub = VGPU_HUB_MM, .cid = CLIENT_MP1,
	};

	if (!s->tables)
		return PPSMC_Result_CmdRejectedPrereq;
	if (vgpu_mem_write(s->dev, &client, s->tables, table, len))
		return PPSMC_Result_Failed;
	return PPSMC_Result_OK;
}

static uint32_t give_static(struct smu *s)
{
	StaticMetricsTable_t t = {
		.ProductInfo.Name = "virtual GPU",
		.MaxSocketPowerLimit = POWER_W,
		.MaxGfxclkFrequency = CLOCK_MHZ, .MinGfxclkFrequency = CLOCK_MHZ,
		.MaxFclkFrequency = CLOCK_MHZ, .MinFclkFrequency = CLOCK_MHZ,
		.MaxGl2clkFrequency = CLOCK_MHZ, .MinGl2clkFrequency = CLOCK_MHZ,
		.UclkFrequencyTable = { CLOCK_MHZ, CLOCK_MHZ, CLOCK_MHZ, CLOCK_MHZ },
		.SocclkFrequency = CLOCK_MHZ, .LclkFrequency = CLOCK_MHZ,
		.VclkFrequency = CLOCK_MHZ, .DclkFrequency = CLOCK_MHZ,
		.pldmVersion = { UINT32_MAX, UINT32_MAX },	/* none */
	};

	return give(s, &t, sizeof(t));
}

/* Mode 2: the graphics core, SDMA is in it; memory keeps its contents. */
static uint32_t reset_graphics(struct smu *s)
{
	if (argument(s, 0) != PPSMC_RESET_TYPE_DRIVER_MODE_2_RESET)
		return PPSMC_Result_UnknownCmd;
	vgpu_reg_write(s->dev, VREG(GC, regGRBM_SOFT_RESET),
		       GRBM_SOFT_RESET__SOFT_RESET_CP_MASK |
		       GRBM_SOFT_RESET__SOFT_RESET_SDMA0_MASK |
		       GRBM_SOFT_RESET__SOFT_RESET_SDMA1_MASK);
	vgpu_reg_write(s->dev, VREG(GC, regGRBM_SOFT_RESET), 0);
	return PPSMC_Result_OK;
}

static uint32_t execute(struct smu *s, uint32_t message)
{
	static const MetricsTable_t idle;
	static const SystemMetricsTable_t system_idle;
	unsigned int i;

	switch (message) {
	case PPSMC_MSG_GetSmuVersion:
		answer(s, VERSION);
		return PPSMC_Result_OK;
	case PPSMC_MSG_GetDriverIfVersion:
		answer(s, INTERFACE);
		return PPSMC_Result_OK;
	case PPSMC_MSG_GetMetricsVersion:
		answer(s, SMU_METRICS_TABLE_VERSION);
		return PPSMC_Result_OK;
	case PPSMC_MSG_GetSystemMetricsVersion:
		answer(s, SMU_SYSTEM_METRICS_TABLE_VERSION);
		return PPSMC_Result_OK;
	case PPSMC_MSG_GetPptLimit:
		answer(s, s->ppt_w);
		return PPSMC_Result_OK;
	case PPSMC_MSG_GetEnabledSmuFeatures:
		for (i = 0; i < ARGUMENTS; i++)
			vgpu_reg_poke(s->dev, ARGUMENT + i, 0);
		return PPSMC_Result_OK;
	case PPSMC_MSG_SetPptLimit:
		if (argument(s, 0) > POWER_W)
			return PPSMC_Result_CmdRejectedPrereq;
		s->ppt_w = argument(s, 0);
		return PPSMC_Result_OK;
	case PPSMC_MSG_SetDriverDramAddr:
		s->tables = (uint64_t)argument(s, 1) << 32 | argument(s, 0);
		return PPSMC_Result_OK;
	case PPSMC_MSG_GetStaticMetricsTable:
		return give_static(s);
	case PPSMC_MSG_GetMetricsTable:
		return give(s, &idle, sizeof(idle));
	case PPSMC_MSG_GetSystemMetricsTable:
		return give(s, &system_idle, sizeof(system_idle));
	case PPSMC_MSG_GfxDriverReset:
		return reset_graphics(s);
	case PPSMC_MSG_TestMessage:
	case PPSMC_MSG_EnableAllSmuFeatures:
	case PPSMC_MSG_PrepareForDriverUnload:
	/* Where a log could be written. */
	case PPSMC_MSG_SetToolsDramAddr:
	case PPSMC_MSG_DramLogSetDramAddr:
	/* Limits of clocks, which do not change. */
	case PPSMC_MSG_SetSoftMaxByFreq:
	case PPSMC_MSG_SetSoftMinGfxClk:
	case PPSMC_MSG_SetSoftMaxGfxClk:
		return PPSMC_Result_OK;
	default:
		return PPSMC_Result_UnknownCmd;
	}
}

static void *run(void *arg)
{
	struct smu *s = arg;
	uint32_t message, response;

	pthread_mutex_lock(&s->lock);
	while (!s->stop) {
		if (!s->message) {
			pthread_cond_wait(&s->wake, &s->lock);
			continue;
		}
		message = s->message;
		s->message = 0;
		s->busy = true;
		pthread_mutex_unlock(&s->lock);

		vgpu_stat(s->dev, "smu: messages", 1);
		response = execute(s, message);
		if (response != PPSMC_Result_OK)
			vgpu_count(s->dev, VGPU_LOG_UNIMP,
				   "smu: message 0x%x refused with 0x%x",
				   message, response);
		vgpu_reg_poke(s->dev, RESPONSE, response);

		pthread_mutex_lock(&s->lock);
		s->busy = false;
		pthread_cond_broadcast(&s->idle);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static void message_write(struct vgpu *dev, void *priv, uint32_t reg, uint32_t value)
{
	struct smu *s = priv;
	bool early;

	vgpu_reg_poke(dev, reg, value);
	if (!value) {
		vgpu_reg_poke(dev, RESPONSE, PPSMC_Result_UnknownCmd);
		return;
	}
	pthread_mutex_lock(&s->lock);
	early = s->busy || s->message;
	s->message = value;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	if (early)
		vgpu_count(dev, VGPU_LOG_GUEST, "smu: message before the last was answered");
}

static const struct vgpu_reg_range ranges[] = {
	{ .first = MESSAGE, .last = MESSAGE, .write = message_write },
	{ .first = RESPONSE, .last = RESPONSE, .reset = PPSMC_Result_OK },
	{ .first = ARGUMENT, .last = ARGUMENT + ARGUMENTS - 1 },
	{ .first = FLAGS, .last = FLAGS, .reset = 1 },
	/* Its interrupts, of which there are none. */
	{ .first = VREG(MP1, regMP1_SMN_IH_SW_INT),
	  .last = VREG(MP1, regMP1_SMN_IH_SW_INT_CTRL) },
};

static void reset(struct vgpu *dev, void *priv)
{
	struct smu *s = priv;

	(void)dev;
	pthread_mutex_lock(&s->lock);
	s->message = 0;
	while (s->busy)
		pthread_cond_wait(&s->idle, &s->lock);
	s->tables = 0;
	s->ppt_w = POWER_W;
	pthread_mutex_unlock(&s->lock);
	vgpu_reg_poke(dev, RESPONSE, PPSMC_Result_OK);
}

static void fini(struct vgpu *dev, void *priv)
{
	struct smu *s = priv;

	(void)dev;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	pthread_cond_destroy(&s->idle);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static int init(struct vgpu *dev, void **priv)
{
	struct smu *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->dev = dev;
	s->ppt_w = POWER_W;
	r = vgpu_reg_register(dev, ranges, ARRAY_SIZE(ranges), s);
	if (r)
		goto err_free;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, NULL);
	pthread_cond_init(&s->idle, NULL);
	r = -pthread_create(&s->thread, NULL, run, s);
	if (r)
		goto err_destroy;
	*priv = s;
	return 0;

err_destroy:
	pthread_cond_destroy(&s->idle);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
err_free:
	free(s);
	return r;
}

const struct vgpu_block vgpu_block_smu = {
	.name = "smu",
	.init = init,
	.fini = fini,
	.reset = reset,
};
