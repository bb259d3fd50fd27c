/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a frame says: Ethernet, VLAN tags, IPv4 or IPv6, fragments. */
#ifndef PACKET_H
#define PACKET_H

#include "flows.h"

#define ETHERNET 14
#define IPV4_BYTES 20
#define IPV6_BYTES 40
#define IS_IPV4 0x0008 /* EtherTypes as they are read from the frame */
#define IS_IPV6 0xDD86
#define IS_VLAN 0x0081
#define IS_SERVICE_VLAN 0xA888

#define swap16(value) __builtin_bswap16(value)

enum { ICMP = 1, TCP = 6, UDP = 17, ICMP6 = 58 };
enum { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT_HEADER = 44, AUTHENTICATION = 51, DESTINATION_OPTIONS = 60 };
enum { WHOLE, FIRST_PIECE, LATER_PIECE };

struct packet {
	u64 source[2], to[2];
	u32 size;	/* of the frame without its tags */
	u32 l3, l4;	/* offsets in the frame */
	u32 end;	/* of the packet */
	u32 ident;
	u16 control;	/* of the outermost tag */
	u8 tags, is_v6, protocol, piece;
};

/* What stands behind the fixed header of an IPv6 packet. */
struct upper {
	u32 at, ident;
	u8 protocol, piece;
};

#define OFFSET_MASK 0x7FFF /* so that the verifier sees a bound; no offset that is asked for is larger */

INLINE u8 *bytes_at(const struct xdp_md *ctx, u32 offset, u32 size)
{
	u8 *found = (u8 *)(long)ctx->data;

	offset &= OFFSET_MASK;
	asm volatile("" : "+r"(offset));
	found += offset;
	return found + size > (u8 *)(long)ctx->data_end ? 0 : found;
}

INLINE u32 frame_bytes(const struct xdp_md *ctx)
{
	u64 bytes = (u8 *)(long)ctx->data_end - (u8 *)(long)ctx->data;

	asm volatile("" : "+r"(bytes)); /* the verifier wants it whole */
	return bytes;
}

INLINE void mapped(u64 *words, u32 address)
{
	words[0] = 0;
	words[1] = (u64)address << 32 | 0xFFFF0000;
}

INLINE int has_ports(u8 protocol)
{
	return protocol == TCP || protocol == UDP;
}

/* Find the packet in a frame and its destination; 0 where it is neither IPv4 nor IPv6. */
INLINE int open_frame(struct xdp_md *ctx, struct packet *packet)
{
	u8 *frame = bytes_at(ctx, 0, ETHERNET + IPV4_BYTES), *ip;
	u32 l3 = ETHERNET, tags = 0, unknown;
	u16 kind;

	if (!frame)
		return 0;
	unknown = *(u32 *)frame;
	kind = *(u16 *)(frame + 12);
#pragma clang loop unroll(full)
	for (; tags < 2; tags++) {
		if (kind != IS_VLAN && kind != IS_SERVICE_VLAN)
			break;
		frame = bytes_at(ctx, l3, 4);
		if (!frame)
			return 0;
		if (!tags)
			packet->control = swap16(*(u16 *)frame);
		kind = *(u16 *)(frame + 2);
		l3 += 4;
	}
	l3 = hidden(l3, unknown) & 31;
	packet->l3 = l3;
	packet->tags = hidden(tags, unknown) & 3;
	packet->size = frame_bytes(ctx) - packet->tags * 4;
	if (kind == IS_IPV4) {
		ip = bytes_at(ctx, l3, IPV4_BYTES);
		if (!ip)
			return 0;
		mapped(packet->source, *(u32 *)(ip + 12));
		mapped(packet->to, *(u32 *)(ip + 16));
		packet->l4 = l3 + (ip[0] & 15) * 4;
		return 1;
	}
	if (kind != IS_IPV6)
		return 0;
	ip = bytes_at(ctx, l3, IPV6_BYTES);
	if (!ip)
		return 0;
	packet->is_v6 = 1;
	packet->source[0] = *(u64 *)(ip + 8);
	packet->source[1] = *(u64 *)(ip + 16);
	packet->to[0] = *(u64 *)(ip + 24);
	packet->to[1] = *(u64 *)(ip + 32);
	return 1;
}

#define MOST_EXTENSIONS 8
#define FAR 0x3000

/* Walk the extension headers (RFC 8200 section 4) up to the transport or to a later piece's bytes; 0 where it is not
 * to be found. `end` is where the packet ends. */
APART int find_upper(struct xdp_md *ctx, u32 at, u32 end, u8 next, struct upper *upper)
{
	if (!upper)
		return 0;
	upper->ident = 0;
	upper->piece = WHOLE;
	for (int count = 0; count < MOST_EXTENSIONS; count++) {
		u8 *header;

		upper->protocol = next;
		upper->at = at;
		if (next != HOP_BY_HOP && next != ROUTING && next != FRAGMENT_HEADER && next != AUTHENTICATION &&
		    next != DESTINATION_OPTIONS)
			return 1;
		if (at > FAR || at + 8 > end)
			return 0;
		header = bytes_at(ctx, at, 8);
		if (!header)
			return 0;
		next = header[0];
		if (upper->protocol == FRAGMENT_HEADER) {
			u16 offset = swap16(*(u16 *)(header + 2));

			at += 8;
			if (offset & 0xFFF9) {
				upper->ident = *(u32 *)(header + 4);
				upper->piece = offset & 0xFFF8 ? LATER_PIECE : FIRST_PIECE;
			}
			if (upper->piece == LATER_PIECE) {
				upper->protocol = next;
				upper->at = at;
				return 1;
			}
		} else if (upper->protocol == AUTHENTICATION) {
			at += (header[1] + 2) * 4;
		} else {
			at += (header[1] + 1) * 8;
		}
	}
	return 0;
}

INLINE int is_martian_v4(u32 source)
{
	u8 first = source;

	return first == 0 || first == 127 || first >= 224;
}

/* Sources that no host may have: multicast, unspecified, loopback (RFC 4291 section 2.5 and 2.7), IPv4 in disguise. */
INLINE int is_martian_v6(const u64 *source)
{
	if ((source[0] & 0xFF) == 0xFF)
		return 1;
	if (source[0])
		return 0;
	return !source[1] || source[1] == 1ULL << 56 || (source[1] & 0xFFFFFFFF) == 0xFFFF0000;
}

/* Check the IPv4 header; 0 where it is good, else a drop. `most`: the largest packet that fits a way out. */
INLINE int read_v4(struct xdp_md *ctx, struct packet *packet, u32 most)
{
	u8 *ip = bytes_at(ctx, packet->l3, IPV4_BYTES);
	u32 header, length, pieces;
	u64 sum = 0;

	if (!ip)
		return DROP(MALFORMED);
	header = (ip[0] & 15) * 4;
	length = swap16(*(u16 *)(ip + 2));
	if (ip[0] >> 4 != 4 || header < IPV4_BYTES || length < header || length > packet->size - ETHERNET ||
	    !bytes_at(ctx, packet->l3, header))
		return DROP(MALFORMED);
	for (int at = 0; at < IPV4_BYTES; at += 4)
		sum += *(u32 *)(ip + at);
	if (header > IPV4_BYTES) {
		for (u32 at = IPV4_BYTES; at < 60; at += 4) {
			u8 *word = bytes_at(ctx, packet->l3 + at, 4);

			if (at >= header || !word)
				break;
			sum += *(u32 *)word;
		}
	}
	sum = (sum & 0xFFFF) + (sum >> 16 & 0xFFFF) + (sum >> 32);
	sum = (sum & 0xFFFF) + (sum >> 16);
	sum = (sum & 0xFFFF) + (sum >> 16);
	if (sum != 0xFFFF)
		return DROP(CHECKSUM);
	if (!ip[8])
		return DROP(TTL);
	if (is_martian_v4(*(u32 *)(ip + 12)))
		return DROP(MARTIAN);
	packet->protocol = ip[9];
	packet->end = packet->l3 + length;
	packet->ident = *(u16 *)(ip + 4);
	pieces = swap16(*(u16 *)(ip + 6)) & 0x3FFF;
	packet->piece = pieces & 0x1FFF ? LATER_PIECE : pieces ? FIRST_PIECE : WHOLE;
	return length > most ? DROP(TOO_BIG) : 0;
}

/* The same of IPv6. */
APART int read_v6(struct xdp_md *ctx, struct packet *packet, u32 most)
{
	struct upper upper = {};
	u32 length;
	u8 *ip;

	if (!packet)
		return DROP(MALFORMED);
	ip = bytes_at(ctx, packet->l3, IPV6_BYTES);
	if (!ip)
		return DROP(MALFORMED);
	length = swap16(*(u16 *)(ip + 4)) + IPV6_BYTES;
	if (ip[0] >> 4 != 6 || length == IPV6_BYTES || length > packet->size - ETHERNET)
		return DROP(MALFORMED);
	if (!ip[7])
		return DROP(TTL);
	if (is_martian_v6(packet->source))
		return DROP(MARTIAN);
	packet->end = packet->l3 + length;
	if (length > most)
		return DROP(TOO_BIG);
	if (!find_upper(ctx, packet->l3 + IPV6_BYTES, packet->end, ip[6], &upper))
		return DROP(MALFORMED);
	packet->l4 = upper.at;
	packet->ident = upper.ident;
	packet->protocol = upper.protocol;
	packet->piece = upper.piece;
	return 0;
}

#endif
