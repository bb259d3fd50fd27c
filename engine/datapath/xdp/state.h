/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Maps: tables, and what outlives them: flows, remembered fragments, counters. Whoever loads the program says how large
 * they are. */
#ifndef STATE_H
#define STATE_H

#include "kernel.h"
#include "table.h"

struct line {
	u64 entries[8];
};

/* The flow table as engine/datapath/flowtable.py lays it out: lines, and behind them the side table. */
struct {
	NUMBER(type, MAP_ARRAY);
	NUMBER(key_size, 4);
	NUMBER(value_size, CACHE_LINE);
	NUMBER(max_entries, 1);
	NUMBER(map_flags, MMAPABLE);
} flows SEC(".maps");

#define PIECE_LINES 1024

/* First fragments, so that later ones, which have no ports, follow them; see pieces.h. */
struct {
	NUMBER(type, MAP_ARRAY);
	NUMBER(key_size, 4);
	NUMBER(value_size, CACHE_LINE);
	NUMBER(max_entries, PIECE_LINES);
	NUMBER(map_flags, MMAPABLE);
} pieces SEC(".maps");

/* A block of words for each processor, and behind them one that all share, whose words are added to atomically. */
struct {
	NUMBER(type, MAP_ARRAY);
	NUMBER(key_size, 4);
	NUMBER(value_size, PAGE);
	NUMBER(max_entries, 1);
	NUMBER(map_flags, MMAPABLE);
} counters SEC(".maps");

struct pages {
	NUMBER(type, MAP_ARRAY);
	NUMBER(key_size, 4);
	NUMBER(value_size, PAGE);
	NUMBER(max_entries, 1);
	NUMBER(map_flags, MMAPABLE | INNER_MAP);
};

#define TABLES 4

/* The table in force by the number that the shared block tells, and those before it, which a packet that is under way
 * on another processor may still be decided by. */
struct {
	NUMBER(type, MAP_ARRAY_OF_MAPS);
	NUMBER(key_size, 4);
	NUMBER(value_size, 4);
	NUMBER(max_entries, TABLES);
	struct pages *values[];
} tables SEC(".maps");

/* Where words stand in a block of counters: declarations.py tells. */
const volatile struct {
	u32 passed, unrecorded, dropped, target_packets, target_bytes, server_packets, server_bytes, server_dropped;
	u32 target_sessions, target_half_open, target_opened, target_unanswered, server_sessions, server_half_open;
	u32 clock_ns, now_s, random, answered_s, answered, turns, in_force;
	u32 reasons;	/* how many drop reasons there are */
	u32 shared;	/* number of the block that all share */
} layout SEC(".rodata");

/* A block, or 0 where there is no such processor. */
INLINE u64 *block_of(u32 number)
{
	return map_lookup(&counters, &number);
}

/* Numbers are cut to these, so that the verifier sees a bound; blocks have room behind their last word. */
#define TARGET_MASK 0x7FF
#define SERVER_MASK 0x3FF

INLINE u64 *word_of_server(u64 *block, u32 first, u64 number)
{
	asm volatile("%0 &= %1" : "+r"(number) : "i"(SERVER_MASK));
	return &block[first] + number;
}

INLINE u64 *word_of_target(u64 *block, u32 first, u64 number)
{
	asm volatile("%0 &= %1" : "+r"(number) : "i"(TARGET_MASK));
	return &block[first] + number;
}

#define NS 1000000000ULL

/* Monotonic seconds. The division is done once a second and processor. */
INLINE u32 seconds(u64 *block)
{
	u64 now_ns = coarse_ns();

	if (now_ns - block[layout.clock_ns] >= NS) {
		u64 now_s = now_ns / NS;

		block[layout.clock_ns] = now_s * NS;
		block[layout.now_s] = now_s;
	}
	return block[layout.now_s];
}

#endif
