/* SPDX-License-Identifier: MIT */
/*
 * The command processor block: graphics and compute engines and the kernel
 * interface queue. Queues: cp_queue.c, registers: cp_regs.c, packets: pm4*.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blocks.h"
#include "cp_internal.h"

static int cp_init(struct vgpu *dev, void **priv)
{
	struct cp *cp;
	int r;

	cp = calloc(1, sizeof(*cp));
	if (!cp)
		return -ENOMEM;
	cp->dev = dev;
	r = cp_register_regs(cp);
	if (r) {
		free(cp);
		return r;
	}
	vgpu_engine_register(dev, VGPU_ENGINE_GFX, &cp_gfx_ops, cp);
	vgpu_engine_register(dev, VGPU_ENGINE_COMPUTE, &cp_compute_ops, cp);
	*priv = cp;
	return 0;
}

/* Stop everything; the scheduler, still running, cannot map anew. */
static void close_all(struct cp *cp)
{
	vgpu_reg_lock(cp->dev);
	cp->closed = true;
	vgpu_reg_unlock(cp->dev);
	cp_stop_all(cp, NULL, 0);
}

static void cp_reset(struct vgpu *dev, void *priv)
{
	struct cp *cp = priv;

	close_all(cp);
	vgpu_reg_lock(dev);
	memset(cp->hqd, 0, sizeof(cp->hqd));
	memset(cp->gfx_hqd, 0, sizeof(cp->gfx_hqd));
	cp->closed = false;
	vgpu_reg_unlock(dev);
}

static void cp_fini(struct vgpu *dev, void *priv)
{
	struct cp *cp = priv;
	unsigned int left;

	close_all(cp);
	/* Those that stopped each other end by themselves. */
	do {
		vgpu_reg_lock(dev);
		left = cp->n_queues;
		vgpu_reg_unlock(dev);
	} while (left && !usleep(100));
	free(cp);
}

const struct vgpu_block vgpu_block_cp = {
	.name = "cp",
	.init = cp_init,
	.fini = cp_fini,
	.reset = cp_reset,
};
