// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xf86drm.h>

/* AMD's own packet definitions, from the kernel tree. */
#include "sdma_v6_0_0_pkt_open.h"

#include "gpu.h"
#include "report.h"

#define IB_BYTES	(64 << 10)
/*
 * The kernel asks for 4 bytes (ib_size_alignment). The engine fetches by cache
 * lines, so end where one ends, as the kernel does with its own buffers.
 */
#define IB_ALIGN_DW	16
/* The kernel gives up on a job first (lockup_timeout), also on a slow machine. */
#define WAIT_NS		60000000000ULL
#define PCI_VENDOR_AMD	0x1002

/*
 * Bytes of one copy packet. SDMA 4.0 and 5.0 take up to 4 MiB, newer ones 1 GiB
 * (copy_max_bytes in the kernel's sdma_v*.c).
 */
#define COPY_MAX	(2 << 20)
#define COPY_DW		7

/*
 * Engines whose linear copy packet is the one of sdma_v6_0_0_pkt_open.h: seven
 * words, byte count minus one (*_emit_copy_buffer() in the kernel's sdma_v*.c).
 * Up to SDMA 3 the count is not minus one; SDMA 7.0 wants an eighth word.
 */
static int sdma_known(uint32_t major, uint32_t minor)
{
	return (major >= 4 && major <= 6) || (major == 7 && minor == 1);
}

static int open_amdgpu(const char *path)
{
	drmVersionPtr v;
	int fd, is_amdgpu;

	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	v = drmGetVersion(fd);
	is_amdgpu = v && !strcmp(v->name, "amdgpu");
	drmFreeVersion(v);
	if (is_amdgpu)
		return fd;
	close(fd);
	return -ENODEV;
}

static int open_first(void)
{
	drmDevicePtr devs[16];
	int i, n, fd = -ENODEV;

	n = drmGetDevices2(0, devs, 16);
	if (n > 16)
		n = 16;
	for (i = 0; i < n && fd < 0; i++) {
		if (devs[i]->bustype != DRM_BUS_PCI ||
		    devs[i]->deviceinfo.pci->vendor_id != PCI_VENDOR_AMD ||
		    !(devs[i]->available_nodes & 1 << DRM_NODE_RENDER))
			continue;
		fd = open_amdgpu(devs[i]->nodes[DRM_NODE_RENDER]);
	}
	if (n > 0)
		drmFreeDevices(devs, n);
	return fd;
}

int gpu_open(struct gpu *g, const char *path)
{
	uint32_t major, minor;
	int r;

	memset(g, 0, sizeof(*g));
	g->fd = path ? open_amdgpu(path) : open_first();
	if (g->fd < 0) {
		report_fail("no GPU of the amdgpu driver can be opened%s%s: %s",
			    path ? " as " : "", path ? path : "", strerror(-g->fd));
		return GPU_ABSENT;
	}

	r = amdgpu_device_initialize(g->fd, &major, &minor, &g->dev);
	if (r) {
		report_fail("amdgpu_device_initialize: %s", strerror(-r));
		goto err_fd;
	}

	r = amdgpu_query_hw_ip_info(g->dev, AMDGPU_HW_IP_DMA, 0, &g->sdma);
	if (r || !g->sdma.available_rings) {
		report_fail("the GPU has no SDMA engine for kernel submissions");
		r = GPU_ABSENT;
		goto err_dev;
	}
	if (!sdma_known(g->sdma.hw_ip_version_major, g->sdma.hw_ip_version_minor)) {
		report_fail("SDMA %u.%u has other copy packets than SDMA 4, 5, 6 and 7.1",
			    g->sdma.hw_ip_version_major, g->sdma.hw_ip_version_minor);
		r = GPU_ABSENT;
		goto err_dev;
	}

	r = amdgpu_cs_ctx_create(g->dev, &g->ctx);
	if (r) {
		report_fail("amdgpu_cs_ctx_create: %s", strerror(-r));
		goto err_dev;
	}
	r = gpu_buf_alloc(g, &g->ib, IB_BYTES, AMDGPU_GEM_DOMAIN_GTT);
	if (r) {
		report_fail("no memory for commands: %s", strerror(-r));
		goto err_ctx;
	}
	return 0;

err_ctx:
	amdgpu_cs_ctx_free(g->ctx);
err_dev:
	amdgpu_device_deinitialize(g->dev);
err_fd:
	close(g->fd);
	return r == GPU_ABSENT ? r : -1;
}

void gpu_close(struct gpu *g)
{
	gpu_buf_free(&g->ib);
	amdgpu_cs_ctx_free(g->ctx);
	amdgpu_device_deinitialize(g->dev);
	close(g->fd);
}

int gpu_buf_map(struct gpu *g, struct gpu_buf *buf, amdgpu_bo_handle bo, uint64_t size,
		uint64_t flags)
{
	amdgpu_va_handle va_handle;
	uint64_t va;
	int r;

	memset(buf, 0, sizeof(*buf));
	/* An address with the alignment of a huge page lets page tables be small. */
	r = amdgpu_va_range_alloc(g->dev, amdgpu_gpu_va_range_general, size,
				  size >= 2 << 20 ? 2 << 20 : 0, 0, &va, &va_handle, 0);
	if (r)
		return r;
	r = amdgpu_bo_va_op_raw(g->dev, bo, 0, size, va, flags, AMDGPU_VA_OP_MAP);
	if (r) {
		amdgpu_va_range_free(va_handle);
		return r;
	}
	buf->bo = bo;
	buf->va_handle = va_handle;
	buf->va = va;
	buf->size = size;
	return 0;
}

int gpu_buf_alloc(struct gpu *g, struct gpu_buf *buf, uint64_t size, uint32_t domain)
{
	struct amdgpu_bo_alloc_request req = {
		.alloc_size = size,
		.phys_alignment = 4096,
		.preferred_heap = domain,
		.flags = domain == AMDGPU_GEM_DOMAIN_VRAM ?
			 AMDGPU_GEM_CREATE_CPU_ACCESS_REQUIRED : 0,
	};
	amdgpu_bo_handle bo;
	int r;

	memset(buf, 0, sizeof(*buf));
	r = amdgpu_bo_alloc(g->dev, &req, &bo);
	if (r)
		return r;
	r = gpu_buf_map(g, buf, bo, size, AMDGPU_VM_PAGE_READABLE |
			AMDGPU_VM_PAGE_WRITEABLE | AMDGPU_VM_PAGE_EXECUTABLE);
	if (r) {
		amdgpu_bo_free(bo);
		return r;
	}
	r = amdgpu_bo_cpu_map(bo, &buf->cpu);
	if (r) {
		buf->cpu = NULL;
		gpu_buf_free(buf);
	}
	return r;
}

void gpu_buf_free(struct gpu_buf *buf)
{
	if (!buf->bo)
		return;
	if (buf->cpu)
		amdgpu_bo_cpu_unmap(buf->bo);
	amdgpu_bo_va_op(buf->bo, 0, buf->size, buf->va, 0, AMDGPU_VA_OP_UNMAP);
	amdgpu_va_range_free(buf->va_handle);
	amdgpu_bo_free(buf->bo);
	memset(buf, 0, sizeof(*buf));
}

int gpu_list_handles(struct gpu *g, const uint32_t *handles, uint32_t n, uint32_t *list)
{
	struct drm_amdgpu_bo_list_entry *e;
	uint32_t i;
	int r;

	e = calloc(n + 1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		e[i].bo_handle = handles[i];
	r = amdgpu_bo_export(g->ib.bo, amdgpu_bo_handle_type_kms, &e[n].bo_handle);
	if (!r)
		r = amdgpu_bo_list_create_raw(g->dev, n + 1, e, list);
	free(e);
	return r;
}

int gpu_list(struct gpu *g, const amdgpu_bo_handle *bos, uint32_t n, uint32_t *list)
{
	uint32_t *handles, i;
	int r = 0;

	handles = calloc(n, sizeof(*handles));
	if (!handles)
		return -ENOMEM;
	for (i = 0; i < n && !r; i++)
		r = amdgpu_bo_export(bos[i], amdgpu_bo_handle_type_kms, &handles[i]);
	if (!r)
		r = gpu_list_handles(g, handles, n, list);
	free(handles);
	return r;
}

static void emit(struct gpu *g, uint32_t dw)
{
	((uint32_t *)g->ib.cpu)[g->ib_dw++] = dw;
}

int gpu_emit_copy(struct gpu *g, uint64_t dst, uint64_t src, uint64_t size)
{
	uint64_t packets = (size + COPY_MAX - 1) / COPY_MAX, n;

	/* Some words stay free to pad the end. */
	if (g->ib_dw + packets * COPY_DW > IB_BYTES / 4 - IB_ALIGN_DW)
		return -ENOSPC;

	for (; size; size -= n, dst += n, src += n) {
		n = size < COPY_MAX ? size : COPY_MAX;
		emit(g, SDMA_PKT_COPY_LINEAR_HEADER_OP(SDMA_OP_COPY) |
			SDMA_PKT_COPY_LINEAR_HEADER_SUB_OP(SDMA_SUBOP_COPY_LINEAR));
		emit(g, SDMA_PKT_COPY_LINEAR_COUNT_COUNT(n - 1));
		emit(g, 0);	/* no byte swapping, default cache policy */
		emit(g, (uint32_t)src);
		emit(g, src >> 32);
		emit(g, (uint32_t)dst);
		emit(g, dst >> 32);
	}
	return 0;
}

int gpu_submit(struct gpu *g, uint32_t list)
{
	struct drm_amdgpu_cs_chunk_data data = {};
	struct drm_amdgpu_cs_chunk chunk = {
		.chunk_id = AMDGPU_CHUNK_ID_IB,
		.length_dw = sizeof(data.ib_data) / 4,
		.chunk_data = (uintptr_t)&data,
	};
	uint64_t seq;
	int r;

	while (!g->ib_dw || g->ib_dw % IB_ALIGN_DW)
		emit(g, SDMA_PKT_NOP_HEADER_OP(SDMA_OP_NOP));
	data.ib_data.va_start = g->ib.va;
	data.ib_data.ib_bytes = g->ib_dw * 4;
	data.ib_data.ip_type = AMDGPU_HW_IP_DMA;
	g->ib_dw = 0;

	r = amdgpu_cs_submit_raw2(g->dev, g->ctx, list, 1, &chunk, &seq);
	if (r)
		return r;
	g->fence = (struct amdgpu_cs_fence) {
		.context = g->ctx,
		.ip_type = AMDGPU_HW_IP_DMA,
		.fence = seq,
	};
	return 0;
}

int gpu_wait(struct gpu *g)
{
	uint32_t done = 0;
	int r;

	r = amdgpu_cs_query_fence_status(&g->fence, WAIT_NS, 0, &done);
	if (r)
		return r;
	return done ? 0 : -ETIME;
}

int gpu_copy(struct gpu *g, uint32_t list, uint64_t dst, uint64_t src, uint64_t size)
{
	int r;

	r = gpu_emit_copy(g, dst, src, size);
	if (!r)
		r = gpu_submit(g, list);
	if (!r)
		r = gpu_wait(g);
	return r;
}
