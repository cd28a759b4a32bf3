/* SPDX-License-Identifier: MIT */
/*
 * libvfio-user's table of DMA ranges, in the place of the library's own
 * lib/dma.c, which keeps 16 ranges in an array, maps each of them separately
 * and finds one for removal only by its exact size. A guest with an IOMMU maps
 * single pages, 100,000s of them, and QEMU's client (vfio_listener_region_del()
 * and the walks of its IOMMU models) unmaps larger ranges than it mapped.
 *
 * These are the functions the rest of the library calls (lib/dma.h); what they
 * do is guest_mem.c's. Accesses by scatter list are not offered: the device
 * uses transport.c's host operations. Called by the thread that serves the
 * client.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <dma.h>

#include "guest_mem.h"
#include "transport.h"

static struct guest_mem *mem_of(const dma_controller_t *dma)
{
	return transport_guest_mem(vfu_get_private(dma->vfu_ctx));
}

static void trace(const dma_controller_t *dma, const char *what, uint64_t addr,
		  uint64_t size, const char *how, int r)
{
	struct vgpu *dev = transport_dev(vfu_get_private(dma->vfu_ctx));

	if (!dev)
		return;
	vgpu_trace(dev, VGPU_TRACE_DMA, "%s 0x%llx + 0x%llx%s%s%s", what,
		   (unsigned long long)addr, (unsigned long long)size, how,
		   r ? ": " : "", r ? strerror(-r) : "");
}

static int result(int r)
{
	if (!r)
		return 0;
	errno = -r;
	return -1;
}

dma_controller_t *dma_controller_create(vfu_ctx_t *ctx, size_t max_regions,
					size_t max_size)
{
	dma_controller_t *dma;

	(void)max_regions;
	/* One entry, which stays empty: dma.h looks at the first. */
	dma = calloc(1, sizeof(*dma) + sizeof(dma->regions[0]));
	if (!dma)
		return NULL;
	dma->vfu_ctx = ctx;
	dma->max_size = max_size;
	return dma;
}

void dma_controller_destroy(dma_controller_t *dma)
{
	free(dma);
}

/* The index of the range, always 0, or -1 and errno: then @fd is the caller's. */
int dma_controller_add_region(dma_controller_t *dma, vfu_dma_addr_t addr,
			      size_t size, int fd, off_t offset, uint32_t prot)
{
	int r;

	/*
	 * No file: what the client maps, but we cannot. That is BARs of devices,
	 * our own among them, which nobody reaches by DMA here.
	 */
	if (fd < 0)
		return 0;
	if (size > dma->max_size || offset < 0)
		return result(-EINVAL);
	r = guest_mem_map(mem_of(dma), (uintptr_t)addr, size, fd, offset,
			  prot & PROT_WRITE);
	if (!r)
		close(fd);
	trace(dma, "map", (uintptr_t)addr, size,
	      prot & PROT_WRITE ? "" : ", for reading only", r);
	return result(r);
}

int dma_controller_remove_region(dma_controller_t *dma, vfu_dma_addr_t addr,
				 size_t size, vfu_dma_unregister_cb_t *unregister,
				 void *data)
{
	int r = guest_mem_unmap(mem_of(dma), (uintptr_t)addr, size);

	(void)unregister;
	(void)data;
	trace(dma, "unmap", (uintptr_t)addr, size, "", r);
	return result(r);
}

void dma_controller_remove_all_regions(dma_controller_t *dma,
				       vfu_dma_unregister_cb_t *unregister,
				       void *data)
{
	(void)unregister;
	(void)data;
	guest_mem_unmap_all(mem_of(dma));
	trace(dma, "unmap", 0, UINT64_MAX, ", all of it", 0);
}

/* ---- what this device does not offer ---- */

size_t dma_sg_size(void)
{
	return sizeof(dma_sg_t);
}

bool dma_sg_is_mappable(const dma_controller_t *dma, const dma_sg_t *sg)
{
	(void)dma;
	(void)sg;
	return false;
}

int _dma_addr_sg_split(const dma_controller_t *dma, vfu_dma_addr_t addr,
		       uint64_t len, dma_sg_t *sg, int max_sgs, int prot)
{
	(void)dma;
	(void)addr;
	(void)len;
	(void)sg;
	(void)max_sgs;
	(void)prot;
	return result(-ENOTSUP);
}

int dma_controller_dirty_page_logging_start(dma_controller_t *dma, size_t pgsize)
{
	(void)dma;
	(void)pgsize;
	return result(-ENOTSUP);
}

void dma_controller_dirty_page_logging_stop(dma_controller_t *dma)
{
	(void)dma;
}

int dma_controller_dirty_page_get(dma_controller_t *dma, vfu_dma_addr_t addr,
				  uint64_t len, size_t pgsize, size_t size,
				  char *bitmap)
{
	(void)dma;
	(void)addr;
	(void)len;
	(void)pgsize;
	(void)size;
	(void)bitmap;
	return result(-ENOTSUP);
}
