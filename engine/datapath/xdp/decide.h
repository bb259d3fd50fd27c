/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a flow goes: by its entry in the flow table, or by the ring. */
#ifndef DECIDE_H
#define DECIDE_H

#include "pick.h"

INLINE int by_hash_or(const struct view *view, int otherwise)
{
	u32 target = pick_by_hash(view);

	return target ? (int)target : otherwise;
}

INLINE void count_unrecorded(const struct view *view)
{
	view->block[layout.unrecorded]++;
}

/* Target of a flow that has a live entry; the packet is noted. */
INLINE int follow(const struct view *view, struct line *line, int way, u64 entry)
{
	if (view->flow->is_error)
		return entry & TARGET_MASK;
	if ((view->flow->flags & (SYN | RST)) == SYN && member_of(view, entry) & LEAVING) {
		/* Where nobody else has room it is better served where it is than not at all. */
		u32 other = pick(view->flow);

		if (other) {
			exchange(view, line, way, entry, entry_for(view, other, first_state(view->flow->flags)));
			return other;
		}
	}
	note_packet(view, line, way, entry);
	return entry & TARGET_MASK;
}

/* Every flow has an entry, as in the datapath of AF_PACKET. */
INLINE int by_table(const struct view *view)
{
	struct line *line = line_of(view);
	u64 entry = 0;
	u32 target;
	int way;

	if (!line)
		return DROP(FAULT);
	way = find_entry(line, view->flow->hash, view->server->number, &entry);
	if (way >= 0 && is_live(view, entry))
		return follow(view, line, way, entry);
	if (view->flow->is_error) {
		/* Where the flow went without being written down, it went by the hash. */
		if (view->server->pick == HASH || (way < 0 && find_room(view, line, &entry) < 0))
			return by_hash_or(view, DROP(ICMP_NO_FLOW));
		return DROP(ICMP_NO_FLOW);
	}
	if (view->flow->flags & RST)
		return by_hash_or(view, DROP(NO_TARGET));
	if (way < 0)
		way = find_room(view, line, &entry);
	if (way < 0) {
		count_unrecorded(view);
		return by_hash_or(view, DROP(NO_TARGET));
	}
	/* A connection that found no room when it began stays where the hash sent it, also when there is room again. */
	target = (view->flow->flags & (SEGMENT | SYN)) == SEGMENT ? pick_by_hash(view) : pick(view->flow);
	if (!target)
		return DROP(NO_TARGET);
	if (write_down(view, line, way, entry, target, first_state(view->flow->flags)) < 0) {
		count_unrecorded(view);
		return by_hash_or(view, DROP(NO_TARGET));
	}
	return target;
}

/* The bucket of a ring changed its target while the one before may keep its flows. A SYN goes to the new one, whatever
 * else has no entry to the one before, and both are written down, so that every flow that lives has an entry after one
 * idle time. From then on `before` is 0, and what has no entry goes by the ring. See docs/datapath.md. */
INLINE int in_transition(const struct view *view, u32 bucket, u32 target)
{
	u16 *place = row_at(view->table, view->server->before_first + bucket * 2, 2);
	u32 before = place ? *place : 0;
	u32 unrecorded = before ? before : target;
	struct line *line = line_of(view);
	int otherwise = view->flow->is_error ? DROP(ICMP_NO_FLOW) : DROP(NO_TARGET);
	u64 entry = 0, state = OPEN;
	int way;

	if (!line)
		return DROP(FAULT);
	way = find_entry(line, view->flow->hash, view->server->number, &entry);
	if (way >= 0 && is_live(view, entry))
		return follow(view, line, way, entry);
	if (view->flow->is_error || view->flow->flags & RST || !before)
		return unrecorded ? (int)unrecorded : otherwise;
	if (view->flow->flags & SYN) {
		state = HALF_OPEN;
		if (!target)
			return otherwise;
	} else {
		target = before;
	}
	if (write_down(view, line, way, entry, target, state) < 0) {
		/* Its next packet will find no entry either, and go there. */
		count_unrecorded(view);
		return before;
	}
	return target;
}

/* The target of a flow that has an entry or is to get one; below 0 a drop. */
APART int decide_by_table(const struct flow *flow)
{
	struct view view;

	if (!flow || !open_view(&view, flow))
		return DROP(FAULT);
	return by_table(&view);
}

APART int decide_in_transition(const struct flow *flow, u32 bucket, u32 target)
{
	struct view view;

	if (!flow || !open_view(&view, flow))
		return DROP(FAULT);
	return in_transition(&view, bucket, target);
}

/* Target of a flow of a server; below 0 a drop. */
INLINE int decide(struct flow *flow, void *table, const struct head *head, const struct server *server, u64 *block)
{
	u64 key;

	if (!server->by_port)
		flow->port = 0;
	key = flow->client[0] ? mix(flow->client[0]) : 0;
	key ^= flow->client[1] ^ flow->port ^ (u64)server->number << 16;
	flow->choice = mix(key);
	if (server->how == BY_RING) {
		u32 bucket = bucket_of(flow->choice, server->reciprocal, server->ring_len);
		u16 *place = row_at(table, server->ring_first + bucket * 2, 2);
		u32 target = place ? *place : 0;

		if (!(target & IN_TRANSITION))
			return target ? (int)target : flow->is_error ? DROP(ICMP_NO_FLOW) : DROP(NO_TARGET);
		flow->hash = mix(key ^ head->seed);
		flow->now_s = seconds(block);
		return decide_in_transition(flow, bucket, target & TARGET_MASK);
	}
	flow->hash = mix(key ^ head->seed);
	flow->now_s = seconds(block);
	return decide_by_table(flow);
}

#endif
