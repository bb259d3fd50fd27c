/* SPDX-License-Identifier: GPL-2.0-or-later */
/* First fragments that are remembered, a word each:
 *
 * 0..10 target, 11..20 server, 21..24 generation of the target, 25..40 seconds, 41..63 fingerprint of what all fragments
 * of a packet have in common (RFC 791 section 3.2, RFC 8200 section 4.5). The oldest of a line makes room: later
 * fragments follow within moments, so nobody fills the lines fast enough to come between. */
#ifndef PIECES_H
#define PIECES_H

#include "packet.h"

#define PIECE_S 30	/* as long as Linux waits for the rest */
#define PIECE_GENERATION_SHIFT 21
#define PIECE_SEEN_SHIFT 25
#define PIECE_PRINT_SHIFT 41
#define PIECE_PRINT_FIELD (~0ULL << PIECE_PRINT_SHIFT)

INLINE u64 piece_hash(const struct packet *packet, u64 seed)
{
	u64 hash = mix(packet->source[0] * MULTIPLIER ^ packet->source[1] ^ seed);

	hash = mix(hash ^ packet->to[0] * MULTIPLIER ^ packet->to[1]);
	/* The pieces of an IPv6 packet name the protocol behind the fragment header, which may be any one's. */
	return mix(hash ^ (u64)packet->ident << 8 ^ (packet->is_v6 ? 0 : packet->protocol));
}

INLINE struct line *piece_line(u64 hash)
{
	u32 number = hash & (PIECE_LINES - 1);

	return map_lookup(&pieces, &number);
}

INLINE int is_of_packet(u64 piece, u64 hash)
{
	return piece && !((piece ^ hash) & PIECE_PRINT_FIELD);
}

INLINE u32 piece_age(u64 piece, u32 now_s)
{
	return (now_s - (piece >> PIECE_SEEN_SHIFT)) & SEEN_MASK;
}

/* Remember where a first fragment went: `pair` is target and server, as an entry of the flow table has them. */
APART int remember_piece(const struct packet *packet, u32 slot, u32 pair)
{
	u64 *block = block_of(processor()), hash;
	struct view view = {};
	struct line *line;
	u32 way = 0, oldest = 0, now_s;

	if (!packet || !block || !open_table(&view, slot))
		return 0;
	now_s = seconds(block);
	hash = piece_hash(packet, view.head->seed);
	line = piece_line(hash);
	if (!line)
		return 0;
	for (int one = 0; one < WAYS; one++) {
		u64 piece = line->entries[one];
		u32 age = 1 + (piece ? piece_age(piece, now_s) : SEEN_MASK + 1);

		if (is_of_packet(piece, hash))
			age = SEEN_MASK + 3;
		if (age > oldest) {
			oldest = age;
			way = hidden(one, hash) & (WAYS - 1);
		}
	}
	line->entries[way & (WAYS - 1)] = (hash & PIECE_PRINT_FIELD) | (u64)(now_s & SEEN_MASK) << PIECE_SEEN_SHIFT |
					  (member_of(&view, pair) & GENERATION_MASK) << PIECE_GENERATION_SHIFT | pair;
	return 1;
}

INLINE u64 find_piece(const struct packet *packet, u64 seed, u32 now_s)
{
	u64 hash = piece_hash(packet, seed);
	struct line *line = piece_line(hash);

	if (!line)
		return 0;
	for (int way = 0; way < WAYS; way++) {
		u64 piece = line->entries[way];

		if (is_of_packet(piece, hash))
			return piece_age(piece, now_s) <= PIECE_S ? piece : 0;
	}
	return 0;
}

/* Where the first piece of a later one went, as target and server; 0 where that is not known or no longer in force. */
APART u32 piece_target(const struct packet *packet, u32 slot)
{
	u64 *block = block_of(processor()), piece;
	struct view view = {};
	u32 number, member;
	u8 *answers;

	if (!packet || !block || !open_table(&view, slot))
		return 0;
	piece = find_piece(packet, view.head->seed, seconds(block));
	if (!piece)
		return 0;
	number = piece >> SERVER_SHIFT & SERVER_MASK;
	answers = row_at(view.table, view.head->answers_first + number, 1);
	member = member_of(&view, piece);
	if (!answers || !*answers || member == NOT_MEMBER ||
	    (member & GENERATION_MASK) != (piece >> PIECE_GENERATION_SHIFT & GENERATION_MASK))
		return 0;
	return piece & PAIR_MASK;
}

#endif
