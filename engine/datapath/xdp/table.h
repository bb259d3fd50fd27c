/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A table as the program reads it: one map of pages, made by image.py, replaced as a whole.
 *
 * Offsets are in bytes from the first page. A row never crosses a page. What is laid out here stands in image.py, too. */
#ifndef TABLE_H
#define TABLE_H

#include "kernel.h"

#define PAGE 4096

/* Page 0. */
struct head {
	u32 generation, mtu, mtu_most, flow_mask;
	u32 virtual_first, virtual_mask, server_first, server_mask;
	u32 mac_first, mac_mask, target_first, member_first;
	u32 limit_first, answers_first, own_count;
	u8 any_port, any_protocol, unused[2];
	u64 seed;		/* of the flow table's hash */
	u64 own[2];		/* the first two of our MACs, as words */
	u64 mac_filter[8];	/* a bit for each MAC that is ours or blocked, by the top bits of its hash */
	u64 source_filter[8];	/* a bit for each virtual address, by the top bits of its hash */
};

/* A virtual address, 16 bytes as two words. `alone`: one more than the row of the only server that a packet without
 * ports may be for, by protocol (TCP, UDP, another); 0 where there is none. */
struct virtual {
	u64 address[2];
	u16 number;		/* from 1; 0: the row is free */
	u16 only_server;	/* number of the one server that has the address, for counting drops; 0: none or several */
	u16 alone[3];
	u16 vlan;		/* of its network, 0: untagged */
	u16 unused[2];
};

struct server {
	u64 key;		/* SERVER_USED | virtual's number << 32 | port << 16 | protocol; 0: the row is free */
	u64 reciprocal;		/* 2**64 / ring_len + 1, for the remainder of a division */
	u32 ring_first, ring_len;	/* buckets: u16 target numbers; in a ring that decides, with IN_TRANSITION */
	u32 hash_len;		/* how many of them the choice by hash has: 0, 1 or all */
	u32 before_first;	/* beside the buckets in transition: the target before, u16; 0: none any more */
	u32 choice_first, choice_len;	/* each target of the buckets once */
	u16 number, row;	/* in the configuration; of this row, from 0 */
	u8 pick, by_port, how, limited;
	u64 unused[2];
};

#define SERVER_USED (1ULL << 63)
#define IN_TRANSITION 0x8000

/* `how` of a server */
enum { BY_TABLE, BY_RING };

struct target {
	u8 mac[6], source[6];	/* of the frame as it leaves */
	u32 ifindex;		/* 0: the interface that frames come by */
	u32 limit;		/* sessions, 0: any number */
	u16 weight, mtu, vlan;
	u8 retag, gone;		/* the way out has a VLAN of its own; its interface does not exist */
	u32 unused;
};

#define NOT_MEMBER 0xFF
#define LEAVING 0x40		/* beside the generation of a member: a client that begins anew goes elsewhere */

#define OWN_MAC (1ULL << 48)

#define MULTIPLIER 0x9E3779B97F4A7C15ULL
#define MOST_PROBES 8

INLINE u64 mix(u64 word)
{
	word ^= word >> 33;
	word *= 0xFF51AFD7ED558CCDULL;
	word ^= word >> 33;
	word *= 0xC4CEB9FE1A85EC53ULL;
	return word ^ word >> 33;
}

/* A hash of what an operator configures: places are by its upper half. */
INLINE u64 spread(u64 word)
{
	return (word ^ word >> 32) * MULTIPLIER;
}

/* A row of `size` bytes, a power of two, at an offset that is a multiple of it. */
INLINE void *row_at(void *table, u32 offset, u32 size)
{
	u32 number = offset / PAGE;
	char *page = map_lookup(table, &number);

	if (!page)
		return 0;
	offset &= PAGE - size;
	asm volatile("" : "+r"(offset));
	return page + offset;
}

INLINE u64 address_hash(const u64 *address)
{
	return spread(address[0] * MULTIPLIER ^ address[1]);
}

INLINE struct virtual *find_virtual(void *table, const struct head *head, const u64 *address)
{
	u32 at = address_hash(address) >> 32;

	for (int probe = 0; probe < MOST_PROBES; probe++, at++) {
		struct virtual *row =
			row_at(table, head->virtual_first + (at & head->virtual_mask) * sizeof(struct virtual), sizeof(struct virtual));

		if (!row || !row->number)
			return 0;
		if (row->address[0] == address[0] && row->address[1] == address[1])
			return row;
	}
	return 0;
}

INLINE struct server *server_row(void *table, const struct head *head, u32 row)
{
	return row_at(table, head->server_first + (row & head->server_mask) * sizeof(struct server), sizeof(struct server));
}

INLINE struct server *find_server_exactly(void *table, const struct head *head, u64 key)
{
	u32 at = spread(key) >> 32;

	for (int probe = 0; probe < MOST_PROBES; probe++, at++) {
		struct server *row = server_row(table, head, at);

		if (!row || !row->key)
			return 0;
		if (row->key == key)
			return row;
	}
	return 0;
}

/* The server for a destination, the most exact first. The port is as it stands in the frame. */
INLINE struct server *find_server(void *table, const struct head *head, const struct virtual *address, u16 port, u8 protocol)
{
	u64 key = SERVER_USED | (u64)address->number << 32 | (u64)port << 16 | protocol;
	struct server *row = find_server_exactly(table, head, key);

	if (row)
		return row;
	if (head->any_port) {
		row = find_server_exactly(table, head, key & ~0xFFFF0000ULL);
		if (row)
			return row;
	}
	if (!head->any_protocol)
		return 0;
	row = find_server_exactly(table, head, key & ~0xFFFFULL);
	return row ? row : find_server_exactly(table, head, key & ~0xFFFFFFFFULL);
}

/* What is known of a MAC: the word with OWN_MAC where it is ours, without where it is blocked; 0 of a stranger's. */
INLINE u64 find_mac(void *table, const struct head *head, u64 mac)
{
	u64 hash = spread(mac);
	u64 *words;

	if (!(head->mac_filter[hash >> 61] >> (hash >> 55 & 63) & 1))
		return 0;
	words = row_at(table, head->mac_first + ((hash >> 32) & head->mac_mask) * CACHE_LINE, CACHE_LINE);
	if (!words)
		return 0;
	for (int way = 0; way < 8; way++)
		if ((words[way] & (OWN_MAC - 1)) == mac && words[way])
			return words[way];
	return 0;
}

INLINE int is_own(void *table, const struct head *head, u64 mac)
{
	if (mac == head->own[0] || mac == head->own[1])
		return head->own_count > 0;
	return head->own_count > 2 && find_mac(table, head, mac) & OWN_MAC;
}

INLINE int is_virtual(void *table, const struct head *head, const u64 *address)
{
	u64 hash = address_hash(address);

	if (!(head->source_filter[hash >> 61] >> (hash >> 55 & 63) & 1))
		return 0;
	return find_virtual(table, head, address) != 0;
}

/* Position of a hash in `length` buckets: 32 bits of its middle modulo the length, by two multiplications
 * (Lemire, Kaser, Kurz: "Faster remainder by direct computation", 2019). Lengths are below 2**17. */
INLINE u32 bucket_of(u64 hash, u64 reciprocal, u32 length)
{
	u64 part = reciprocal * (hash >> 20 & 0xFFFFFFFF);

	return ((part >> 32) * length + ((part & 0xFFFFFFFF) * length >> 32)) >> 32;
}

#endif
