/* SPDX-License-Identifier: MIT */
/*
 * vfio-user transport: the only file, with transport_dma.c and
 * transport_recv.c, that knows libvfio-user.
 *
 * The library is not thread-safe, so it is entered with lib_lock held. Engine
 * threads that raise an interrupt never wait for that lock: they note the
 * vector and whoever holds the lock, or takes it next, delivers it. Guest memory
 * is reached only through the mappings the client gave descriptors for
 * (guest_mem.c); asking the client by message from a callback would deadlock.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/eventfd.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <libvfio-user.h>
#include <pci_caps/msix.h>
#include <pci_caps/px.h>

#include "guest_mem.h"
#include "images.h"
#include "transport.h"

#define PCI_VENDOR	0x1002
#define PCI_DEVICE	0x744c		/* Navi31 */
#define BAR_MSIX_SIZE	4096
#define MSIX_PBA	0x800		/* in BAR4, after the table */

/* Low bits of a memory BAR in configuration space (PCI 3.0, 6.2.5.1). */
#define BAR_64		0x4
#define BAR_PREFETCH	0x8
/* Link capabilities and status: speed code 4, width 16 (PCIe 7.8.6). */
#define LINK_16GT_X16	(4 | 16 << 4)

struct transport {
	vfu_ctx_t *vfu;
	struct vgpu *dev;
	void (*log)(enum vgpu_log_level level, const char *line);
	uint64_t vram_size;
	void *vram;
	int vram_fd;
	int stop_fd;			/* readable: leave transport_run() */
	uint8_t msix[BAR_MSIX_SIZE];

	pthread_mutex_t lib_lock;
	unsigned int irq_pending;	/* vector 0, the only one; atomic */

	struct guest_mem *mem;
};

/* ---- host operations ---- */

static void *host_dma_ptr(void *opaque, uint64_t addr, size_t *len, bool write)
{
	struct transport *t = opaque;

	return guest_mem_ptr(t->mem, addr, len, write);
}

static void host_dma_lock(void *opaque)
{
	struct transport *t = opaque;

	guest_mem_lock(t->mem);
}

static void host_dma_unlock(void *opaque)
{
	struct transport *t = opaque;

	guest_mem_unlock(t->mem);
}

/*
 * Deliver what is pending if the library is free. The holder of the lock looks
 * at irq_pending after it let go, so an interrupt noted meanwhile is not lost.
 */
static void deliver_irq(struct transport *t)
{
	while (__atomic_load_n(&t->irq_pending, __ATOMIC_SEQ_CST)) {
		if (pthread_mutex_trylock(&t->lib_lock))
			return;
		if (__atomic_exchange_n(&t->irq_pending, 0, __ATOMIC_SEQ_CST))
			vfu_irq_trigger(t->vfu, 0);
		pthread_mutex_unlock(&t->lib_lock);
	}
}

static uint64_t host_dma_ranges(void *opaque)
{
	struct transport *t = opaque;
	struct guest_mem_stats s;

	guest_mem_stats(t->mem, &s);
	return s.ranges;
}

static void host_raise_irq(void *opaque, unsigned int vector)
{
	struct transport *t = opaque;

	if (vector)
		return;
	__atomic_store_n(&t->irq_pending, 1, __ATOMIC_SEQ_CST);
	deliver_irq(t);
}

static uint64_t host_now(void *opaque)
{
	struct timespec ts;

	(void)opaque;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static void host_log(void *opaque, enum vgpu_log_level level, const char *line)
{
	struct transport *t = opaque;

	t->log(level, line);
}

static const struct vgpu_host_ops ops = {
	.dma_ptr = host_dma_ptr,
	.dma_lock = host_dma_lock,
	.dma_unlock = host_dma_unlock,
	.dma_ranges = host_dma_ranges,
	.raise_irq = host_raise_irq,
	.now = host_now,
	.log = host_log,
};

const struct vgpu_host_ops *transport_ops(void)
{
	return &ops;
}

void *transport_vram(struct transport *t)
{
	return t->vram;
}

struct guest_mem *transport_guest_mem(struct transport *t)
{
	return t->mem;
}

struct vgpu *transport_dev(struct transport *t)
{
	return t->dev;
}

/* ---- library callbacks ---- */

static void lib_log(vfu_ctx_t *vfu, int level, const char *msg)
{
	struct transport *t = vfu_get_private(vfu);
	char line[256];

	/*
	 * Once a client is there, what the library complains of is what that
	 * client sent, such as writes to the ROM address.
	 */
	snprintf(line, sizeof(line), "vfio-user: %s", msg);
	if (t->dev)
		vgpu_trace(t->dev, VGPU_TRACE_SOCKET, "%s", msg);
	else if (level <= LOG_WARNING)
		t->log(VGPU_LOG_INFO, line);
}

static ssize_t bad_access(struct transport *t, const char *bar, size_t count,
			  loff_t offset)
{
	vgpu_count(t->dev, VGPU_LOG_GUEST,
		   "transport: %s access of %zu bytes at 0x%llx", bar, count,
		   (unsigned long long)offset);
	errno = EINVAL;
	return -1;
}

/* Not the usual way: the client maps this BAR. */
static ssize_t vram_access(vfu_ctx_t *vfu, char *buf, size_t count,
			   loff_t offset, bool write)
{
	struct transport *t = vfu_get_private(vfu);
	char *at = (char *)t->vram + offset;

	if (offset < 0 || (uint64_t)offset > t->vram_size ||
	    count > t->vram_size - offset)
		return bad_access(t, "VRAM", count, offset);
	if (write)
		memcpy(at, buf, count);
	else
		memcpy(buf, at, count);
	return count;
}

static ssize_t doorbell_access(vfu_ctx_t *vfu, char *buf, size_t count,
			       loff_t offset, bool write)
{
	struct transport *t = vfu_get_private(vfu);
	uint64_t value = 0;

	if ((count != 4 && count != 8) || offset % 4)
		return bad_access(t, "doorbell", count, offset);
	if (!write) {
		/* Doorbells cannot be read; hardware returns zero. */
		memset(buf, 0, count);
		return count;
	}
	memcpy(&value, buf, count);
	vgpu_doorbell_ring(t->dev, offset / 4, value, count);
	return count;
}

static ssize_t reg_access(vfu_ctx_t *vfu, char *buf, size_t count,
			  loff_t offset, bool write)
{
	struct transport *t = vfu_get_private(vfu);
	uint32_t value;
	size_t i;

	if (count % 4 || offset % 4 || count > 64)
		return bad_access(t, "register", count, offset);
	for (i = 0; i < count; i += 4) {
		if (write) {
			memcpy(&value, buf + i, 4);
			vgpu_reg_write(t->dev, (offset + i) / 4, value);
		} else {
			value = vgpu_reg_read(t->dev, (offset + i) / 4);
			memcpy(buf + i, &value, 4);
		}
	}
	return count;
}

/* The client emulates the MSI-X table; this is only where it lies. */
static ssize_t msix_access(vfu_ctx_t *vfu, char *buf, size_t count,
			   loff_t offset, bool write)
{
	struct transport *t = vfu_get_private(vfu);

	if (offset < 0 || offset > BAR_MSIX_SIZE ||
	    count > (size_t)(BAR_MSIX_SIZE - offset))
		return bad_access(t, "MSI-X", count, offset);
	if (write)
		memcpy(t->msix + offset, buf, count);
	else
		memcpy(buf, t->msix + offset, count);
	return count;
}

/*
 * After a reset memory is trained anew, and nothing is promised of its contents: the driver
 * takes them for lost (amdgpu_device_check_vram_lost). A page table of zeros makes whoever
 * does not notice fault. The last piece is from flash.
 */
static void lose_vram(struct transport *t)
{
	if (fallocate(t->vram_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
		      t->vram_size - VGPU_DISCOVERY_OFFSET))
		vgpu_count(t->dev, VGPU_LOG_ERROR, "transport: VRAM outlives a reset");
}

static int reset(vfu_ctx_t *vfu, vfu_reset_type_t type)
{
	struct transport *t = vfu_get_private(vfu);

	/* The library resets once more when the device is gone already. */
	if (!t->dev)
		return 0;
	vgpu_trace(t->dev, VGPU_TRACE_SOCKET, "reset (type %d)", type);
	/* the engines have stopped before memory goes */
	vgpu_reset(t->dev);
	lose_vram(t);
	return 0;
}

/* ---- set-up ---- */

static int setup_regions(struct transport *t)
{
	static const struct {
		int index;
		size_t size;
		vfu_region_access_cb_t *access;
	} bars[] = {
		{ VFU_PCI_DEV_BAR2_REGION_IDX, VGPU_BAR_DOORBELL_SIZE, doorbell_access },
		{ VFU_PCI_DEV_BAR4_REGION_IDX, BAR_MSIX_SIZE, msix_access },
		{ VFU_PCI_DEV_BAR5_REGION_IDX, VGPU_BAR_REG_SIZE, reg_access },
	};
	int flags = VFU_REGION_FLAG_RW | VFU_REGION_FLAG_MEM;
	size_t i;

	if (vfu_setup_region(t->vfu, VFU_PCI_DEV_BAR0_REGION_IDX, t->vram_size,
			     vram_access, flags, NULL, 0, t->vram_fd, 0))
		return -errno;
	for (i = 0; i < sizeof(bars) / sizeof(bars[0]); i++)
		if (vfu_setup_region(t->vfu, bars[i].index, bars[i].size,
				     bars[i].access, flags, NULL, 0, -1, 0))
			return -errno;
	return 0;
}

static int setup_capabilities(struct transport *t)
{
	struct pxcap express = {
		.hdr.id = PCI_CAP_ID_EXP,
		.pxcaps = { .ver = 2, .dpt = 0 },	/* endpoint */
		.pxdcap.rer = 1,
		.pxlcap.stuff = LINK_16GT_X16,
		.pxls.stuff = LINK_16GT_X16,
	};
	struct msixcap msix = {
		.hdr.id = PCI_CAP_ID_MSIX,
		.mxc.ts = 0,			/* one vector */
		.mtab.tbir = 4,
		.mpba.pbir = 4,
		.mpba.pbao = MSIX_PBA >> 3,
	};
	/* The driver warns of boards without one (amdgpu_device.c). */
	struct pcie_ext_cap_vsc_hdr vendor = {
		.hdr = { .id = PCI_EXT_CAP_ID_VNDR, .version = 1 },
		.id = 1, .rev = 1, .len = sizeof(vendor),
	};

	if (vfu_pci_add_capability(t->vfu, 0, 0, &express) < 0 ||
	    vfu_pci_add_capability(t->vfu, 0, 0, &msix) < 0 ||
	    vfu_pci_add_capability(t->vfu, 0, VFU_CAP_FLAG_EXTENDED, &vendor) < 0)
		return -errno;
	return 0;
}

static int setup_device(struct transport *t)
{
	vfu_pci_config_space_t *config;
	int r;

	if (vfu_pci_init(t->vfu, VFU_PCI_TYPE_EXPRESS, PCI_HEADER_TYPE_NORMAL, 0))
		return -errno;
	vfu_pci_set_id(t->vfu, PCI_VENDOR, PCI_DEVICE, PCI_VENDOR, 0x0001);
	/* Display controller, other: no VGA arbitration, no console. */
	vfu_pci_set_class(t->vfu, 0x03, 0x80, 0x00);
	r = setup_regions(t);
	if (!r)
		r = setup_capabilities(t);
	if (r)
		return r;
	if (vfu_setup_device_nr_irqs(t->vfu, VFU_DEV_MSIX_IRQ, 1) ||
	    vfu_setup_device_reset_cb(t->vfu, reset) ||
	    vfu_setup_device_dma(t->vfu, NULL, NULL) ||
	    vfu_realize_ctx(t->vfu))
		return -errno;
	/* The library has no flag for these two bits, but keeps them. */
	config = vfu_pci_get_config_space(t->vfu);
	config->hdr.bars[0].raw |= BAR_64 | BAR_PREFETCH;
	config->hdr.bars[2].raw |= BAR_64;
	return 0;
}

struct transport *transport_create(const char *path, uint64_t vram_size,
				   void (*log)(enum vgpu_log_level level,
					       const char *line))
{
	struct transport *t;
	int r;

	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->log = log;
	t->vram_size = vram_size;
	t->vram = MAP_FAILED;
	pthread_mutex_init(&t->lib_lock, NULL);
	t->mem = guest_mem_create();
	t->stop_fd = eventfd(0, EFD_CLOEXEC);
	t->vram_fd = memfd_create("vgpu-vram", MFD_CLOEXEC);
	r = -ENOMEM;
	if (!t->mem || t->stop_fd < 0 || t->vram_fd < 0 || ftruncate(t->vram_fd, vram_size))
		goto err;
	t->vram = mmap(NULL, vram_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		       t->vram_fd, 0);
	if (t->vram == MAP_FAILED)
		goto err;
	t->vfu = vfu_create_ctx(VFU_TRANS_SOCK, path,
				LIBVFIO_USER_FLAG_ATTACH_NB, t,
				VFU_DEV_TYPE_PCI);
	r = -errno;
	if (!t->vfu)
		goto err;
	transport_recv_init(t->vfu);
	vfu_setup_log(t->vfu, lib_log, LOG_INFO);
	r = setup_device(t);
	if (r)
		goto err;
	return t;

err:
	fprintf(stderr, "vgpu: %s: %s\n", path, strerror(-r));
	transport_destroy(t);
	return NULL;
}

void transport_destroy(struct transport *t)
{
	if (t->vfu)
		vfu_destroy_ctx(t->vfu);
	if (t->vram != MAP_FAILED)
		munmap(t->vram, t->vram_size);
	if (t->vram_fd >= 0)
		close(t->vram_fd);
	if (t->stop_fd >= 0)
		close(t->stop_fd);
	guest_mem_destroy(t->mem);
	pthread_mutex_destroy(&t->lib_lock);
	free(t);
}

void transport_stop(struct transport *t)
{
	uint64_t one = 1;
	ssize_t n = write(t->stop_fd, &one, sizeof(one));

	(void)n;
}

/* ---- message loop ---- */

/* Wait for the client or for transport_stop(); 1, 0 (stop) or an errno. */
static int wait_client(struct transport *t)
{
	struct pollfd fds[] = {
		{ .fd = vfu_get_poll_fd(t->vfu), .events = POLLIN },
		{ .fd = t->stop_fd, .events = POLLIN },
	};

	while (poll(fds, 2, -1) < 0)
		if (errno != EINTR)
			return -errno;
	return fds[1].revents ? 0 : 1;
}

static int attach(struct transport *t)
{
	int r;

	while (vfu_attach_ctx(t->vfu)) {
		if (errno != EAGAIN && errno != EWOULDBLOCK)
			return -errno;
		r = wait_client(t);
		if (r <= 0)
			return r;
	}
	return 1;
}

static void count_dma(struct transport *t, struct vgpu *dev)
{
	struct guest_mem_stats s;

	guest_mem_stats(t->mem, &s);
	vgpu_stat(dev, "transport: DMA ranges mapped", s.maps);
	vgpu_stat(dev, "transport: DMA ranges unmapped", s.unmaps);
	vgpu_stat(dev, "transport: DMA ranges, most at a time", s.ranges_max);
	if (s.refused)
		vgpu_count(dev, VGPU_LOG_ERROR,
			   "transport: DMA mappings that could not be made: %llu",
			   (unsigned long long)s.refused);
}

int transport_run(struct transport *t, struct vgpu *dev)
{
	int r, err = 0;

	t->dev = dev;
	r = attach(t);
	while (r > 0) {
		r = wait_client(t);
		if (r <= 0)
			break;
		pthread_mutex_lock(&t->lib_lock);
		err = vfu_run_ctx(t->vfu) < 0 ? errno : 0;
		pthread_mutex_unlock(&t->lib_lock);
		deliver_irq(t);
		if (err == ENOTCONN)
			r = 0;
		else if (err && err != EAGAIN && err != EWOULDBLOCK && err != EINTR)
			r = -err;
	}
	t->dev = NULL;
	count_dma(t, dev);
	return r;
}
