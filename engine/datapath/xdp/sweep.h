/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clearing entries that bind no flow any more. The control process has it done by running this program on a frame that
 * is an order: entries may be changed by compare-and-exchange alone, which Python has not. */
#ifndef SWEEP_H
#define SWEEP_H

#include "flows.h"

struct order {
	u32 first, lines;	/* of the flow table */
	u32 strangers;		/* only entries whose target may not keep them, whatever their age */
	u32 unused;
};

struct sweep {
	struct view view;
	u32 first, strangers;
};

static long sweep_line(u32 turn, struct sweep *sweep)
{
	const struct view *view = &sweep->view;
	u32 number = sweep->first + turn;
	struct line *line = map_lookup(&flows, &number);

	if (!line)
		return 1;
	for (int way = 0; way < WAYS; way++) {
		u64 entry = line->entries[way];

		if (!entry || (is_member(member_of(view, entry), entry) && (sweep->strangers || is_young(view, entry))))
			continue;
		if (__sync_val_compare_and_swap(&line->entries[way], entry, 0) == entry)
			count_end(view, entry);
	}
	return 0;
}

SEC("xdp")
int sweep(struct xdp_md *ctx)
{
	struct order *order = (struct order *)(long)ctx->data;
	struct flow flow = {};
	struct sweep sweep = {};

	if ((void *)(order + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	sweep.view.shared = block_of(layout.shared);
	if (!sweep.view.shared)
		return XDP_ABORTED;
	flow.slot = sweep.view.shared[layout.in_force];
	if (!open_view(&sweep.view, &flow))
		return XDP_ABORTED;
	flow.now_s = seconds(sweep.view.block);
	sweep.first = order->first;
	sweep.strangers = order->strangers;
	return loop(order->lines, sweep_line, &sweep, 0) < 0 ? XDP_ABORTED : XDP_DROP;
}

#endif
