/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ICMP to a virtual address: errors go to the target whose packet they are about (RFC 792, RFC 4443). */
#ifndef ICMP_H
#define ICMP_H

#include "packet.h"

enum { UNREACHABLE = 3, TIME_EXCEEDED = 11, PARAMETER_PROBLEM = 12, ECHO_REQUEST = 8 };
enum { ECHO_REQUEST6 = 128, NEIGHBOURS_FIRST = 133, NEIGHBOURS_LAST = 137 };

/* Whether an IPv4 frame is the control process's, whatever else it says: an echo request or its first piece. */
INLINE int is_echo_request(struct xdp_md *ctx, const struct packet *packet)
{
	u8 *ip = bytes_at(ctx, packet->l3, IPV4_BYTES);

	if (packet->is_v6 || !ip || ip[9] != ICMP || swap16(*(u16 *)(ip + 6)) & 0x1FFF)
		return 0;
	ip = bytes_at(ctx, packet->l4, 1);
	return ip && *ip == ECHO_REQUEST;
}

/* What an error is about, a packet from the virtual address to a client: protocol << 16 | the server's port as it stands
 * in the frame, beside these. Client and its port are written to the flow. */
#define IS_ERROR (1 << 30)
#define IS_LATER (1 << 24)

/* Read an ICMP message: 0 where the control process deals with it, what an error is about, or a drop. */
APART int read_icmp(struct xdp_md *ctx, const struct packet *packet, struct flow *flow)
{
	u32 at, header, found;
	u8 *icmp, *inner;

	if (!packet || !flow)
		return DROP(MALFORMED);
	at = packet->l4;
	if (at > 128 || at + 8 > packet->end)
		return DROP(MALFORMED);
	icmp = bytes_at(ctx, at, 8);
	if (!icmp)
		return DROP(MALFORMED);
	if (icmp[0] != UNREACHABLE && icmp[0] != TIME_EXCEEDED && icmp[0] != PARAMETER_PROBLEM)
		return icmp[0] == ECHO_REQUEST ? 0 : DROP(PROTOCOL);
	at += 8;
	inner = bytes_at(ctx, at, IPV4_BYTES);
	if (!inner || at + IPV4_BYTES + 8 > packet->end || inner[0] >> 4 != 4)
		return DROP(MALFORMED);
	header = (inner[0] & 15) * 4;
	if (header < IPV4_BYTES || at + header + 8 > packet->end)
		return DROP(MALFORMED);
	if (*(u32 *)(inner + 12) != (u32)(packet->to[1] >> 32))
		return DROP(ICMP_NO_FLOW);
	mapped(flow->client, *(u32 *)(inner + 16));
	flow->port = 0;
	found = IS_ERROR | inner[9] << 16;
	if (swap16(*(u16 *)(inner + 6)) & 0x1FFF)
		return found | IS_LATER;
	if (!has_ports(inner[9]))
		return found;
	inner = bytes_at(ctx, at + header, 4);
	if (!inner)
		return DROP(MALFORMED);
	flow->port = *(u16 *)(inner + 2);
	return found | *(u16 *)inner;
}

/* The same of ICMPv6: errors are those below 128; neighbours are the control process's (RFC 4861). */
APART int read_icmp6(struct xdp_md *ctx, const struct packet *packet, struct flow *flow)
{
	struct upper upper = {};
	u32 at, found;
	u8 *icmp, *inner;

	if (!packet || !flow)
		return DROP(MALFORMED);
	at = packet->l4;
	if (at > FAR || at + 8 > packet->end)
		return DROP(MALFORMED);
	icmp = bytes_at(ctx, at, 8);
	if (!icmp)
		return DROP(MALFORMED);
	if (icmp[0] == ECHO_REQUEST6 || (icmp[0] >= NEIGHBOURS_FIRST && icmp[0] <= NEIGHBOURS_LAST))
		return 0;
	if (icmp[0] < 1 || icmp[0] > 4)
		return DROP(PROTOCOL);
	at += 8;
	inner = bytes_at(ctx, at, IPV6_BYTES);
	if (!inner || at + IPV6_BYTES + 8 > packet->end || inner[0] >> 4 != 6)
		return DROP(MALFORMED);
	if (*(u64 *)(inner + 8) != packet->to[0] || *(u64 *)(inner + 16) != packet->to[1])
		return DROP(ICMP_NO_FLOW);
	flow->client[0] = *(u64 *)(inner + 24);
	flow->client[1] = *(u64 *)(inner + 32);
	flow->port = 0;
	if (!find_upper(ctx, at + IPV6_BYTES, packet->end, inner[6], &upper))
		return DROP(MALFORMED);
	found = IS_ERROR | upper.protocol << 16;
	if (upper.piece == LATER_PIECE)
		return found | IS_LATER;
	if (!has_ports(upper.protocol))
		return found;
	if (upper.at > 2 * FAR || upper.at + 4 > packet->end)
		return DROP(MALFORMED);
	inner = bytes_at(ctx, upper.at, 4);
	if (!inner)
		return DROP(MALFORMED);
	flow->port = *(u16 *)(inner + 2);
	return found | *(u16 *)inner;
}

#endif
