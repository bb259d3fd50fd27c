/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The choice of a target for a new flow, by the method of its server. */
#ifndef PICK_H
#define PICK_H

#include "flows.h"

INLINE u32 bucket_at(const struct view *view, u32 at)
{
	u16 *bucket = row_at(view->table, view->server->ring_first + at * 2, 2);

	return bucket ? *bucket : 0;
}

INLINE u64 sessions_of(const struct view *view, u32 target)
{
	return *word_of_target(view->shared, layout.target_sessions, target);
}

/* The row of a target that takes another session; 0 where it is full. */
INLINE struct target *with_room(const struct view *view, u32 target)
{
	struct target *row = target_row(view->table, view->head, target);

	return row && (!row->limit || (s64)sessions_of(view, target) < row->limit) ? row : 0;
}

struct search {
	const struct view *view;
	u32 at, found;
	u64 load, weight;	/* of the best so far */
};

static long look_at_bucket(u32 turn, struct search *search)
{
	const struct view *view = search->view;
	u32 at = search->at + turn;
	u32 target;

	if (at >= view->server->ring_len)
		at -= view->server->ring_len;
	target = bucket_at(view, at) & TARGET_MASK;
	if (!with_room(view, target))
		return 0;
	search->found = target;
	return 1;
}

static long look_at_choice(u32 turn, struct search *search)
{
	const struct view *view = search->view;
	u16 *choice = row_at(view->table, view->server->choice_first + turn * 2, 2);

	if (!choice || !with_room(view, *choice))
		return 0;
	search->found = *choice;
	return 1;
}

static long weigh_choice(u32 turn, struct search *search)
{
	const struct view *view = search->view;
	u16 *choice = row_at(view->table, view->server->choice_first + turn * 2, 2);
	struct target *row = choice ? with_room(view, *choice) : 0;
	u64 load;

	if (!row)
		return 0;
	/* Those half open count, too: most of them are sessions a moment later, and many begin at once. */
	load = 1 + sessions_of(view, *choice) + *word_of_target(view->shared, layout.target_half_open, *choice);
	if (!search->found || load * search->weight < search->load * row->weight) {
		search->found = *choice;
		search->load = load;
		search->weight = row->weight;
	}
	return 0;
}

/* A target for a flow that may not be written down: by hash, so that its next packet goes there, too. */
INLINE u32 pick_by_hash(const struct view *view)
{
	const struct server *server = view->server;

	if (!server->hash_len)
		return 0;
	if (server->hash_len == 1)
		return bucket_at(view, 0) & TARGET_MASK;
	return bucket_at(view, bucket_of(view->flow->choice, server->reciprocal, server->ring_len)) & TARGET_MASK;
}

/* A target for a new flow; 0 where none takes new flows. */
APART u32 pick(const struct flow *flow)
{
	const struct server *server;
	struct view opened, *view = &opened;
	struct search search = {};
	u32 at = 0, target;

	if (!flow || !open_view(view, flow))
		return 0;
	server = view->server;
	if (!server->ring_len)
		return 0;
	search.view = view;
	/* A 0 that the verifier knows here it takes for one that stays (Linux 6.18): it removed the branch for others. */
	search.found = hidden(0, flow->hash);
	if (server->pick == LEAST) {
		loop(server->choice_len, weigh_choice, &search, 0);
		return search.found;
	}
	if (server->pick == NEXT) {
		at = __sync_fetch_and_add(word_of_server(view->shared, layout.turns, server->number), 1) % server->ring_len;
	} else if (server->pick == RANDOM) {
		u64 state = view->block[layout.random] + MULTIPLIER;

		view->block[layout.random] = state;
		at = (mix(state) >> 32) % server->ring_len;
	} else if (server->pick == HASH) {
		at = bucket_of(flow->choice, server->reciprocal, server->ring_len);
	}
	target = bucket_at(view, at) & TARGET_MASK;
	if (!server->limited || with_room(view, target))
		return target;
	/* So that buckets are not walked in vain when all are full. */
	loop(server->choice_len, look_at_choice, &search, 0);
	if (!search.found)
		return 0;
	search.found = hidden(0, flow->hash);
	search.at = at;
	loop(server->ring_len, look_at_bucket, &search, 0);
	return search.found;
}

#endif
