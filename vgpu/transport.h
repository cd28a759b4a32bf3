/* SPDX-License-Identifier: MIT */
/* The device on a vfio-user socket. One client, once. */
#ifndef VGPU_TRANSPORT_H
#define VGPU_TRANSPORT_H

#include "device.h"

/* BARs as the driver expects them; sizes in bytes. BAR0 is VRAM. */
#define VGPU_BAR_DOORBELL_SIZE	(2u << 20)	/* BAR2 */
#define VGPU_BAR_REG_SIZE	(512u << 10)	/* BAR5 */

struct guest_mem;
struct transport;

/*
 * Create the socket @path and the memory behind BAR0, @vram_size bytes (a
 * power of two). Prints what is wrong and returns NULL on failure.
 */
struct transport *transport_create(const char *path, uint64_t vram_size,
				   void (*log)(enum vgpu_log_level level,
					       const char *line));
void transport_destroy(struct transport *t);
/* For struct vgpu_config. */
const struct vgpu_host_ops *transport_ops(void);
void *transport_vram(struct transport *t);
/* For transport_dma.c. */
struct guest_mem *transport_guest_mem(struct transport *t);
/* The device that is being served, or NULL. */
struct vgpu *transport_dev(struct transport *t);
/* transport_recv.c: how the library's context @vfu receives from now on. */
void transport_recv_init(void *vfu);
/*
 * Serve @dev until the client closes the connection or transport_stop() is
 * called; returns 0 or a negative errno.
 */
int transport_run(struct transport *t, struct vgpu *dev);
/* May be called from a signal handler. */
void transport_stop(struct transport *t);

#endif
