/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the program needs of the kernel: numbers and structures of linux/bpf.h (stable user-space API), nothing else.
 * So clang alone builds it. */
#ifndef KERNEL_H
#define KERNEL_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long s64;

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
/* A function that the verifier looks at once, by itself, so it is told nothing by pointers but plain memory. */
#define APART __attribute__((noinline))

#define CACHE_LINE 64

/* How a map is declared for libbpf (its "BTF-defined maps"). */
#define NUMBER(name, value) int (*name)[value]
#define MAP_ARRAY 2
#define MAP_ARRAY_OF_MAPS 12
#define MMAPABLE (1 << 10)
#define INNER_MAP (1 << 12)

struct xdp_md {
	u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex;
};

enum { XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX, XDP_REDIRECT };

static void *(*const map_lookup)(void *map, const void *key) = (void *)1;
static u32 (*const processor)(void) = (void *)8;
static long (*const redirect)(u32 ifindex, u64 flags) = (void *)23;
static s64 (*const csum_diff)(const void *from, u32 from_size, const void *to, u32 to_size, u32 seed) = (void *)28;
static long (*const adjust_head)(struct xdp_md *ctx, int delta) = (void *)44;
static long (*const adjust_tail)(struct xdp_md *ctx, int delta) = (void *)65;
static u64 (*const coarse_ns)(void) = (void *)160; /* CLOCK_MONOTONIC_COARSE */
static long (*const loop)(u32 times, void *callback, void *context, u64 flags) = (void *)181;

/* Hide a number from the verifier, or it follows the rest of the program for each that it may be by itself.
 * `unknown` is any word that the verifier knows nothing about. */
INLINE u64 hidden(u64 number, u64 unknown)
{
	asm volatile("%0 += %1\n\t%0 -= %1" : "+r"(number) : "r"(unknown));
	return number;
}

#endif
