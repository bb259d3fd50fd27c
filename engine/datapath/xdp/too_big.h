/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one packet the datapath makes itself: it tells the sender of a packet that is larger than the MTU
 * (RFC 1191 section 4, RFC 4443 section 3.2), at most some times a second. */
#ifndef TOO_BIG_H
#define TOO_BIG_H

#include "packet.h"

#define ANSWERS_A_SECOND 100
#define MOST_LINK (ETHERNET + 2 * 4)
#define ICMP_BYTES 8
#define QUOTE_V6 1232	/* RFC 4443 section 2.4 (c): as much as fits the least MTU */

INLINE u16 folded(u64 sum)
{
	sum = (sum & 0xFFFFFFFF) + (sum >> 32);
	sum = (sum & 0xFFFF) + (sum >> 16);
	sum = (sum & 0xFFFF) + (sum >> 16);
	sum = (sum & 0xFFFF) + (sum >> 16);
	return ~sum;
}

INLINE int may_answer(u64 *block)
{
	u64 now_s = seconds(block);

	if (block[layout.answered_s] != now_s) {
		block[layout.answered_s] = now_s;
		block[layout.answered] = 0;
	}
	return block[layout.answered]++ < ANSWERS_A_SECOND;
}

/* Make room for `more` bytes in front of the packet, MACs swapped and tags as they were; 0 where there is none. */
INLINE int turn_round(struct xdp_md *ctx, u32 tags, int more)
{
	u8 link[MOST_LINK + 2] = {};
	u32 bytes = ETHERNET + tags * 4;
	u8 *frame = bytes_at(ctx, 0, MOST_LINK);

	if (!frame)
		return 0;
	for (int at = 0; at < 6; at++) {
		link[at] = frame[6 + at];
		link[6 + at] = frame[at];
	}
	for (int at = 12; at < MOST_LINK; at++)
		link[at] = frame[at];
	if (adjust_head(ctx, -more))
		return 0;
	frame = bytes_at(ctx, 0, MOST_LINK);
	if (!frame)
		return 0;
	for (u32 at = 0; at < MOST_LINK; at++)
		if (at < bytes)
			frame[at] = link[at];
	return 1;
}

INLINE int answer_v4(struct xdp_md *ctx, const struct packet *packet, u64 *block, u32 mtu)
{
	u32 l3 = packet->l3, quoted = packet->l4 - l3 + 8;
	u8 *ip = bytes_at(ctx, l3, IPV4_BYTES), *icmp, *frame = bytes_at(ctx, 0, ETHERNET);
	u32 size = frame_bytes(ctx);
	u32 source, to;
	u64 sum = 0;

	/* RFC 1122 section 3.2.2: no error about an error, a later fragment, or what went to many hosts. */
	if (!ip || !frame || (frame[0] | frame[6]) & 1 || !(ip[6] & 0x40) || packet->piece == LATER_PIECE)
		return XDP_DROP;
	if (packet->l4 > 128)
		return XDP_DROP;
	icmp = bytes_at(ctx, packet->l4, 8);
	if (!icmp)
		return XDP_DROP;
	if (ip[9] == ICMP && (icmp[0] == 3 || icmp[0] == 4 || icmp[0] == 5 || icmp[0] == 11 || icmp[0] == 12))
		return XDP_DROP;
	if (!may_answer(block))
		return XDP_DROP;
	source = *(u32 *)(ip + 12);
	to = *(u32 *)(ip + 16);
	if (adjust_tail(ctx, (int)(l3 + quoted) - (int)size) || !turn_round(ctx, packet->tags, IPV4_BYTES + ICMP_BYTES))
		return XDP_DROP;
	ip = bytes_at(ctx, l3, IPV4_BYTES + ICMP_BYTES);
	if (!ip)
		return XDP_DROP;
	*(u16 *)ip = 0xC045;
	*(u16 *)(ip + 2) = swap16((u16)(IPV4_BYTES + ICMP_BYTES + quoted));
	*(u32 *)(ip + 4) = 0;
	*(u32 *)(ip + 8) = 0x0140; /* TTL 64, ICMP */
	*(u32 *)(ip + 12) = to;
	*(u32 *)(ip + 16) = source;
	for (int at = 0; at < IPV4_BYTES; at += 4)
		sum += *(u32 *)(ip + at);
	*(u16 *)(ip + 10) = folded(sum);
	*(u32 *)(ip + 20) = 0x0403; /* unreachable: fragmentation needed */
	*(u16 *)(ip + 24) = 0;
	*(u16 *)(ip + 26) = swap16((u16)mtu);
	sum = 0;
	for (int at = 0; at < ICMP_BYTES + 68; at += 4) {
		u8 *word = bytes_at(ctx, l3 + IPV4_BYTES + at, 4);

		if (!word)
			break;
		sum += *(u32 *)word;
	}
	ip = bytes_at(ctx, l3 + IPV4_BYTES, 4);
	if (!ip)
		return XDP_DROP;
	*(u16 *)(ip + 2) = folded(sum);
	return XDP_TX;
}

INLINE int answer_v6(struct xdp_md *ctx, const struct packet *packet, u64 *block, u32 mtu)
{
	u32 l3 = packet->l3;
	u32 size = frame_bytes(ctx);
	u8 *ip = bytes_at(ctx, l3, IPV6_BYTES + 8), *frame = bytes_at(ctx, 0, ETHERNET);
	u64 sum = 0, source[2], to[2];
	const u32 length = ICMP_BYTES + QUOTE_V6;

	/* RFC 4443 section 2.4 (e) allows this answer also to what went to many hosts, but not to an error. */
	if (!ip || !frame || frame[6] & 1 || size < l3 + QUOTE_V6 || (ip[6] == ICMP6 && ip[40] < 128))
		return XDP_DROP;
	if (!may_answer(block))
		return XDP_DROP;
	for (int half = 0; half < 2; half++) {
		source[half] = packet->source[half];
		to[half] = packet->to[half];
	}
	if (adjust_tail(ctx, (int)(l3 + QUOTE_V6) - (int)size) || !turn_round(ctx, packet->tags, IPV6_BYTES + ICMP_BYTES))
		return XDP_DROP;
	ip = bytes_at(ctx, l3, IPV6_BYTES + ICMP_BYTES + QUOTE_V6);
	if (!ip)
		return XDP_DROP;
	*(u32 *)ip = 0x60;
	*(u16 *)(ip + 4) = swap16((u16)length);
	ip[6] = ICMP6;
	ip[7] = 64;
	for (int half = 0; half < 2; half++) {
		*(u64 *)(ip + 8 + half * 8) = to[half];
		*(u64 *)(ip + 24 + half * 8) = source[half];
	}
	*(u32 *)(ip + 40) = 2; /* packet too big */
	*(u32 *)(ip + 44) = __builtin_bswap32(mtu);
	/* Addresses and message lie side by side; length and protocol of the pseudo header are added to them. */
	sum = csum_diff(0, 0, ip + 8, 256, 0);
	sum = csum_diff(0, 0, ip + 264, 512, sum);
	sum = csum_diff(0, 0, ip + 776, 504, sum);
	sum += swap16((u16)length);
	sum += ICMP6 << 8;
	*(u16 *)(ip + 42) = folded(sum);
	return XDP_TX;
}

APART int answer_too_big(struct xdp_md *ctx, const struct packet *packet, u32 mtu)
{
	u64 *block = block_of(processor());

	if (!packet || !block || packet->l3 > 32)
		return XDP_DROP;
	return packet->is_v6 ? answer_v6(ctx, packet, block, mtu) : answer_v4(ctx, packet, block, mtu);
}

#endif
