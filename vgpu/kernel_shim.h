/* SPDX-License-Identifier: MIT */
/*
 * What AMD's headers take from the kernel, so that they compile in user space.
 * Include this before any header of the kernel tree.
 */
#ifndef VGPU_KERNEL_SHIM_H
#define VGPU_KERNEL_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* __le16 and so on, and other versions of some macros below. */
#include <linux/stddef.h>
#include <linux/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

#ifndef __packed
#define __packed		__attribute__((packed))
#endif
#undef __counted_by
#define __counted_by(member)
#define DECLARE_FLEX_ARRAY(type, name)	\
	struct {			\
		struct {		\
		} __empty_##name;	\
		type name[];		\
	}

#define __printf(a, b)		__attribute__((format(printf, a, b)))
struct mutex {
	int unused;
};

/*
 * discovery.h picks its bit-field order by this; without it ip_v4 has seven
 * bytes instead of eight and the discovery blob is silently wrong.
 */
#ifndef LITTLEENDIAN_CPU
#define LITTLEENDIAN_CPU	1
#endif
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the device model reads guest structures in place: little-endian hosts only"
#endif

#ifndef BIT
#define BIT(n)		(1UL << (n))
#endif
#ifndef BIT_ULL
#define BIT_ULL(n)	(1ULL << (n))
#endif
#define lower_32_bits(n)	((uint32_t)(n))
#define upper_32_bits(n)	((uint32_t)((uint64_t)(n) >> 32))
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))

#endif
