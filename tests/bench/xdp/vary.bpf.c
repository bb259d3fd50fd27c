// SPDX-License-Identifier: GPL-2.0-or-later
/* Gives the frame of BPF_PROG_TEST_RUN its MACs back and another client each time, then jumps to the program under test;
 * repeated as it is, a frame measures a flow that every cache has. `turn_back` is the least a program can do. */
#include "../../../engine/datapath/xdp/kernel.h"

#define MAP_PROGRAMS 3

static long (*const jump)(void *ctx, void *programs, u32 at) = (void *)12;

struct {
	NUMBER(type, MAP_PROGRAMS);
	NUMBER(key_size, 4);
	NUMBER(value_size, 4);
	NUMBER(max_entries, 1);
} programs SEC(".maps");

struct plan {
	u64 turn;
	u32 flows;	/* a power of two */
	u8 macs[12];
};

struct {
	NUMBER(type, MAP_ARRAY);
	NUMBER(key_size, 4);
	NUMBER(value_size, sizeof(struct plan));
	NUMBER(max_entries, 1);
	NUMBER(map_flags, MMAPABLE);
} plans SEC(".maps");

SEC("xdp")
int vary(struct xdp_md *ctx)
{
	u8 *frame = (u8 *)(long)ctx->data;
	u32 zero = 0, flow, sum = 0;
	struct plan *plan = map_lookup(&plans, &zero);

	if (!plan || frame + 54 > (u8 *)(long)ctx->data_end)
		return XDP_ABORTED;
	/* Flows in an order that no cache foresees, each once in a round. */
	flow = (plan->turn++ * 0x9E3779B1) & (plan->flows - 1);
	__builtin_memcpy(frame, plan->macs, 12);
	*(u32 *)(frame + 26) = 0x0A | (flow >> 14 & 0xFF) << 16 | (flow >> 22) << 24 | 0x100;
	*(u16 *)(frame + 34) = (flow & 0x3FFF) + 1024;
	*(u16 *)(frame + 24) = 0;
	for (int at = 14; at < 34; at += 2)
		sum += *(u16 *)(frame + at);
	sum = (sum & 0xFFFF) + (sum >> 16);
	sum = (sum & 0xFFFF) + (sum >> 16);
	*(u16 *)(frame + 24) = ~sum;
	jump(ctx, &programs, 0);
	return XDP_ABORTED;
}

SEC("xdp")
int turn_back(struct xdp_md *ctx)
{
	u16 *mac = (u16 *)(long)ctx->data;

	if ((void *)(mac + 7) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	for (int at = 0; at < 3; at++) {
		u16 word = mac[at];

		mac[at] = mac[3 + at];
		mac[3 + at] = word;
	}
	return XDP_TX;
}

char terms[] SEC("license") = "GPL";
