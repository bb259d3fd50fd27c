/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The flow table: look a flow up, write it down, note its packets. One specification with
 * engine/datapath/afpacket/scalar.py; entries are changed by compare-and-exchange alone, as all processors write. */
#ifndef FLOWS_H
#define FLOWS_H

#include "declared.h"
#include "state.h"

#define SERVER_SHIFT 11
#define PAIR_MASK (SERVER_MASK << SERVER_SHIFT | TARGET_MASK)
#define STATE_SHIFT 21
#define STATE_FIELD (3ULL << STATE_SHIFT)
#define GENERATION_SHIFT 23
#define GENERATION_MASK 15
#define SEEN_SHIFT 27
#define SEEN_MASK 0xFFFFULL
#define PRINT_SHIFT 43
#define PRINT_FIELD (~0ULL << PRINT_SHIFT)
#define MATCH_FIELD (PRINT_FIELD | (u64)SERVER_MASK << SERVER_SHIFT)

#define WAYS 8
#define TRIES 3	/* to find room, while other processors take it */

#define DROP(reason) (-1 - (int)(reason))

enum { FIN = 1, SYN = 2, RST = 4, SEGMENT = 8 };

/* A flow that is looked for. */
struct flow {
	u64 client[2];
	u64 hash;	/* with the table's seed */
	u64 choice;	/* without */
	u32 slot;	/* of the table to decide by, in `tables` */
	u32 row;	/* of its server */
	u32 now_s;
	u16 port;	/* as it stands in the frame; 0 where flows are told by address alone */
	u8 flags;
	u8 is_error;	/* an ICMP error about the flow: nothing is written */
};

/* A flow, and the memory that it is decided by. */
struct view {
	const struct flow *flow;
	void *table;
	const struct head *head;
	const struct server *server;
	u64 *block, *shared;
};

INLINE int open_table(struct view *view, u32 slot)
{
	u32 zero = 0;

	view->table = map_lookup(&tables, &slot);
	if (!view->table)
		return 0;
	view->head = map_lookup(view->table, &zero);
	return view->head != 0;
}

/* Look at the memory that a flow is decided by; 0 where there is none. */
INLINE int open_view(struct view *view, const struct flow *flow)
{
	view->flow = flow;
	if (!open_table(view, flow->slot))
		return 0;
	view->server = server_row(view->table, view->head, flow->row);
	view->block = block_of(processor());
	view->shared = block_of(layout.shared);
	return view->server && view->block && view->shared;
}

INLINE int state_of(u64 entry)
{
	return entry >> STATE_SHIFT & 3;
}

INLINE int is_session(u64 entry)
{
	return (entry ^ entry >> 1) >> STATE_SHIFT & 1;
}

INLINE u32 member_of(const struct view *view, u32 pair)
{
	u8 *member = row_at(view->table, view->head->member_first + (pair & PAIR_MASK), 1);

	return member ? *member : NOT_MEMBER;
}

INLINE int is_member(u32 member, u64 entry)
{
	return member != NOT_MEMBER && (member & GENERATION_MASK) == (entry >> GENERATION_SHIFT & GENERATION_MASK);
}

INLINE int is_young(const struct view *view, u64 entry)
{
	u16 *limit = row_at(view->table, view->head->limit_first + (entry >> SERVER_SHIFT & 0xFFF) * 2, 2);

	return limit && ((view->flow->now_s - (entry >> SEEN_SHIFT)) & SEEN_MASK) <= *limit;
}

/* Whether an entry still binds its flow: its target may keep it and it was used recently enough. */
INLINE int is_live(const struct view *view, u64 entry)
{
	return entry && is_member(member_of(view, entry), entry) && is_young(view, entry);
}

INLINE void add(u64 *word, s64 count)
{
	__sync_fetch_and_add(word, count);
}

/* Count an entry among the sessions or the half-open flows (`sign` 1), or take it off (-1). */
INLINE void count_session(u64 *shared, u64 entry, s64 sign)
{
	u32 target = entry & TARGET_MASK, server = entry >> SERVER_SHIFT & SERVER_MASK;

	if (is_session(entry)) {
		add(word_of_target(shared, layout.target_sessions, target), sign);
		add(word_of_server(shared, layout.server_sessions, server), sign);
		if (sign > 0)
			add(word_of_target(shared, layout.target_opened, target), 1);
	} else {
		add(word_of_target(shared, layout.target_half_open, target), sign);
		add(word_of_server(shared, layout.server_half_open, server), sign);
	}
}

/* Take an entry off the counts that is cleared or overwritten, and count it where nobody answered it. */
INLINE void count_end(const struct view *view, u64 entry)
{
	count_session(view->shared, entry, -1);
	if (state_of(entry) == HALF_OPEN && is_member(member_of(view, entry), entry) && !is_young(view, entry))
		add(word_of_target(view->shared, layout.target_unanswered, entry & TARGET_MASK), 1);
}

/* The state after a packet (flow_states.py). */
INLINE u64 next_state(u64 state, u32 flags, int by_port)
{
	int begins = state == FRESH || state == HALF_OPEN;

	if (flags & RST && begins)
		return FRESH;
	if (flags & (FIN | RST) && by_port)
		return CLOSING;
	if (flags & RST)
		return state;
	if (flags & SYN)
		return state == OPEN ? OPEN : HALF_OPEN;
	return state == CLOSING ? CLOSING : OPEN;
}

INLINE u64 first_state(u32 flags)
{
	if (!(flags & SEGMENT))
		return OPEN;
	return flags & SYN ? HALF_OPEN : FRESH;
}

INLINE struct target *target_row(void *table, const struct head *head, u32 number)
{
	return row_at(table, head->target_first + (number & TARGET_MASK) * sizeof(struct target), sizeof(struct target));
}

INLINE struct line *line_of(const struct view *view)
{
	u32 number = view->flow->hash & view->head->flow_mask;

	return map_lookup(&flows, &number);
}

/* Way of the flow's entry, which may be void; -1 where there is none. */
INLINE int find_entry(const struct line *line, u64 hash, u32 server, u64 *entry)
{
	u64 want = (hash & PRINT_FIELD) | (u64)server << SERVER_SHIFT;

#pragma clang loop unroll(full)
	for (int way = 0; way < WAYS; way++) {
		u64 one = line->entries[way];

		if (!((one ^ want) & MATCH_FIELD)) {
			*entry = one;
			return hidden(way, hash) & (WAYS - 1);
		}
	}
	return -1;
}

/* Way where a new flow may be written, free or void; -1 where every entry is in use. */
INLINE int find_room(const struct view *view, const struct line *line, u64 *former)
{
	for (int way = 0; way < WAYS; way++) {
		u64 one = line->entries[way];

		if (!is_live(view, one)) {
			*former = one;
			return hidden(way, view->flow->hash) & (WAYS - 1);
		}
	}
	return -1;
}

/* Write client and port beside an entry, for people. */
INLINE void remember_client(const struct view *view, u32 way)
{
	u32 lines = view->head->flow_mask + 1;
	u32 index = (view->flow->hash & view->head->flow_mask) * WAYS + way;
	u32 number = lines + index / 4;
	struct line *side = map_lookup(&flows, &number);
	u16 *port;

	if (!side)
		return;
	side->entries[index % 4 * 2] = view->flow->client[0];
	side->entries[index % 4 * 2 + 1] = view->flow->client[1];
	number = lines + lines * 2 + index / 32;
	port = map_lookup(&flows, &number);
	if (port)
		port[index % 32] = view->flow->port;
}

INLINE u64 entry_for(const struct view *view, u32 target, u64 state)
{
	u32 server = view->server->number;
	u64 generation = member_of(view, server << SERVER_SHIFT | target) & GENERATION_MASK;

	return target | server << SERVER_SHIFT | state << STATE_SHIFT | generation << GENERATION_SHIFT |
	       (view->flow->now_s & SEEN_MASK) << SEEN_SHIFT | (view->flow->hash & PRINT_FIELD);
}

/* Put an entry in the place of a former one; 0 where another processor was faster. */
INLINE int exchange(const struct view *view, struct line *line, u32 way, u64 former, u64 entry)
{
	if (way >= WAYS || __sync_val_compare_and_swap(&line->entries[way], former, entry) != former)
		return 0;
	if (former)
		count_end(view, former);
	count_session(view->shared, entry, 1);
	return 1;
}

/* Note a packet of a known flow. Where another processor was faster, it has noted one itself. */
INLINE void note_packet(const struct view *view, struct line *line, u32 way, u64 entry)
{
	u64 state = next_state(state_of(entry), view->flow->flags, view->flow->port != 0);
	u64 moved = (entry & ~(SEEN_MASK << SEEN_SHIFT | STATE_FIELD)) | (view->flow->now_s & SEEN_MASK) << SEEN_SHIFT |
		    state << STATE_SHIFT;

	if (moved == entry || way >= WAYS)
		return;
	if (__sync_val_compare_and_swap(&line->entries[way], entry, moved) != entry)
		return;
	if (is_session(moved) != is_session(entry)) {
		count_session(view->shared, entry, -1);
		count_session(view->shared, moved, 1);
	}
}

/* Write a flow down; returns the way, or -1 where there is no room. `way` and `former`: the flow's own void entry. */
INLINE int write_down(const struct view *view, struct line *line, int way, u64 former, u32 target, u64 state)
{
	u64 entry = entry_for(view, target, state);

	for (int try = 0; try < TRIES; try++) {
		if (way < 0)
			way = find_room(view, line, &former);
		if (way < 0)
			return -1;
		if (exchange(view, line, way, former, entry)) {
			remember_client(view, way);
			return way;
		}
		way = -1;
	}
	return -1;
}

#endif
