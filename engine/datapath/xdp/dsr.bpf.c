// SPDX-License-Identifier: GPL-2.0-or-later
/* The XDP datapath: the third implementation of what tests/reference says, for IPv4 and IPv6.
 *
 * A frame for a virtual address is sent to a target with both MACs rewritten, left to the control process, or dropped
 * and counted. Everything else passes. docs/datapath.md says how tables and flows come here. */
#include "decide.h"
#include "icmp.h"
#include "pieces.h"
#include "sweep.h"
#include "too_big.h"

/* What is known of a frame while it is decided about. */
struct frame {
	struct packet packet;
	struct flow flow;
	void *table;
	const struct head *head;
	struct virtual *virtual;
	const struct server *server;
	u64 *block;
	u32 number;	/* of the server, once it is known; 0 */
};

#define BY_FLOW (TARGET_MASK + 1) /* beyond every target: the flow of the frame decides */

INLINE int flow_to(struct frame *frame, const struct server *server)
{
	frame->server = server;
	return BY_FLOW;
}

/* The only server that a packet without ports may be for, told by its client; 0 where there is none. */
INLINE struct server *only_server(struct frame *frame, u8 protocol)
{
	u16 row = frame->virtual->alone[protocol == TCP ? 0 : protocol == UDP ? 1 : 2];

	return row ? server_row(frame->table, frame->head, row - 1) : 0;
}

INLINE int later_piece(struct frame *frame)
{
	u32 found = piece_target(&frame->packet, frame->flow.slot);
	struct server *server;

	if (found) {
		frame->number = found >> SERVER_SHIFT & SERVER_MASK;
		return found & TARGET_MASK;
	}
	/* Of an echo request, which is not for a target. */
	if (frame->packet.protocol == ICMP || frame->packet.protocol == ICMP6)
		return 0;
	server = only_server(frame, frame->packet.protocol);
	if (!server)
		return DROP(FRAGMENT);
	frame->flow.flags = frame->packet.protocol == TCP ? SEGMENT : 0;
	return flow_to(frame, server);
}

INLINE int about_icmp(struct xdp_md *ctx, struct frame *frame)
{
	struct packet *packet = &frame->packet;
	struct server *server;
	int found = packet->is_v6 ? read_icmp6(ctx, packet, &frame->flow) : read_icmp(ctx, packet, &frame->flow);
	u8 protocol = found >> 16;

	if (found < IS_ERROR)
		return found;
	server = found & IS_LATER ? only_server(frame, protocol)
				  : find_server(frame->table, frame->head, frame->virtual, found, protocol);
	if (!server)
		return DROP(NO_SERVER);
	frame->flow.is_error = 1;
	return flow_to(frame, server);
}

/* The fate of a packet for a virtual address: BY_FLOW, a target, 0 where it passes, or a drop. */
INLINE int examine(struct xdp_md *ctx, struct frame *frame)
{
	struct packet *packet = &frame->packet;
	const struct head *head = frame->head;
	u8 *ethernet = bytes_at(ctx, 0, ETHERNET), *transport;
	struct server *server;
	u64 to, by;
	u16 port = 0;
	int found;

	if (!ethernet)
		return 0;
	to = *(u32 *)ethernet | (u64) * (u16 *)(ethernet + 4) << 32;
	by = *(u32 *)(ethernet + 6) | (u64) * (u16 *)(ethernet + 10) << 32;
	if (!is_own(frame->table, head, to))
		return 0;
	if (find_mac(frame->table, head, by))
		return DROP(LOOP);
	found = packet->is_v6 ? read_v6(ctx, packet, head->mtu_most) : read_v4(ctx, packet, head->mtu_most);
	if (found == DROP(TOO_BIG) || !found)
		if (is_virtual(frame->table, head, packet->source))
			return DROP(MARTIAN);
	if (found)
		return found;
	if (packet->piece == LATER_PIECE)
		return later_piece(frame);
	if (packet->l4 > FAR)
		return DROP(MALFORMED);
	if (packet->protocol == TCP) {
		transport = bytes_at(ctx, packet->l4, 20);
		if (!transport || packet->l4 + 20 > packet->end)
			return DROP(MALFORMED);
		frame->flow.flags = (transport[13] & (FIN | SYN | RST)) | SEGMENT;
		frame->flow.port = *(u16 *)transport;
		port = *(u16 *)(transport + 2);
	} else if (packet->protocol == UDP) {
		transport = bytes_at(ctx, packet->l4, 8);
		if (!transport || packet->l4 + 8 > packet->end)
			return DROP(MALFORMED);
		frame->flow.port = *(u16 *)transport;
		port = *(u16 *)(transport + 2);
	} else if (packet->protocol == (packet->is_v6 ? ICMP6 : ICMP)) {
		return about_icmp(ctx, frame);
	} else {
		packet->piece = WHOLE; /* its later pieces have no fewer ports than it */
	}
	server = find_server(frame->table, head, frame->virtual, port, packet->protocol);
	if (!server)
		return has_ports(packet->protocol) ? DROP(NO_SERVER) : DROP(PROTOCOL);
	return flow_to(frame, server);
}

/* Number of the server that a frame was for, by its destination alone; 0 where that does not tell. */
APART u32 blamed(struct xdp_md *ctx, const struct packet *packet, u32 slot)
{
	struct view view = {};
	struct virtual *virtual;
	struct server *server;
	u8 protocol, *ip, *ports;
	int is_first;

	if (!packet || packet->l3 > 32 || !open_table(&view, slot))
		return 0;
	virtual = find_virtual(view.table, view.head, packet->to);
	if (!virtual)
		return 0;
	protocol = packet->protocol;
	is_first = packet->piece != LATER_PIECE;
	if (!packet->is_v6) {
		ip = bytes_at(ctx, packet->l3, IPV4_BYTES);
		if (!ip)
			return 0;
		protocol = ip[9];
		is_first = !(swap16(*(u16 *)(ip + 6)) & 0x1FFF);
	}
	if (is_first && packet->l4 && packet->l4 <= FAR && has_ports(protocol)) {
		ports = bytes_at(ctx, packet->l4, 4);
		if (ports) {
			server = find_server(view.table, view.head, virtual, *(u16 *)(ports + 2), protocol);
			return server ? server->number : 0;
		}
	}
	return virtual->only_server;
}

/* Whether a frame came on the VLAN of its virtual address; a tag may hold a priority alone (IEEE 802.1Q-2018 9.6). */
INLINE int is_on_vlan(const struct packet *packet, const struct virtual *virtual)
{
	u16 vlan = packet->tags ? packet->control & 0xFFF : 0;

	return packet->tags < 2 && vlan == virtual->vlan;
}

INLINE void count_drop(u64 *block, u64 reason, u64 server)
{
	asm volatile("%0 &= 63" : "+r"(reason));
	asm volatile("%0 &= %1" : "+r"(server) : "i"(SERVER_MASK));
	++*(&block[layout.dropped] + reason);
	++*(&block[layout.server_dropped] + server * layout.reasons + reason);
}

INLINE void count_sent(u64 *block, u32 target, u32 server, u32 bytes)
{
	++*word_of_target(block, layout.target_packets, target);
	*word_of_target(block, layout.target_bytes, target) += bytes;
	++*word_of_server(block, layout.server_packets, server);
	*word_of_server(block, layout.server_bytes, server) += bytes;
}

/* Give the frame the one tag that its way out has, or none; 0 where there is no room for it. */
APART int retag(struct xdp_md *ctx, u32 tags, u16 control, u16 vlan)
{
	int more = (vlan ? 4 : 0) - (int)tags * 4;
	u8 *tag;

	if (more && adjust_head(ctx, -more))
		return 0;
	tag = bytes_at(ctx, 12, 4);
	if (!tag)
		return 0;
	if (vlan) {
		*(u16 *)tag = IS_VLAN;
		*(u16 *)(tag + 2) = swap16((u16)((control & 0xF000) | vlan));
	}
	return 1;
}

/* Send the frame to a target; XDP_DROP with `*reason` where that cannot be. */
INLINE int send(struct xdp_md *ctx, struct frame *frame, u32 number, int *reason, u32 *mtu)
{
	struct packet *packet = &frame->packet;
	struct target *target = target_row(frame->table, frame->head, number);
	u8 *macs;

	if (!target) {
		*reason = FAULT;
		return XDP_DROP;
	}
	if (packet->end - packet->l3 > target->mtu) {
		*reason = TOO_BIG;
		*mtu = target->mtu;
		frame->number = 0;
		return XDP_DROP;
	}
	*reason = TX_ERROR;
	if (target->gone)
		return XDP_DROP;
	if (target->retag && !(!target->ifindex && packet->tags <= 1 && (packet->control & 0xFFF) == target->vlan) &&
	    !retag(ctx, packet->tags, packet->control, target->vlan))
		return XDP_DROP;
	macs = bytes_at(ctx, 0, ETHERNET);
	if (!macs)
		return XDP_DROP;
	*(u32 *)macs = *(u32 *)target->mac;
	*(u16 *)(macs + 4) = *(u16 *)(target->mac + 4);
	*(u16 *)(macs + 6) = *(u16 *)target->source;
	*(u32 *)(macs + 8) = *(u32 *)(target->source + 2);
	count_sent(frame->block, number, frame->number, packet->size);
	return target->ifindex ? redirect(target->ifindex, 0) : XDP_TX;
}

SEC("xdp")
int dsr(struct xdp_md *ctx)
{
	struct frame frame = {};
	u64 *shared = block_of(layout.shared);
	u32 zero = 0, mtu = 0;
	int found, action = XDP_DROP, reason = 0;

	if (!shared || !open_frame(ctx, &frame.packet))
		return XDP_PASS;
	frame.flow.slot = shared[layout.in_force];
	frame.table = map_lookup(&tables, &frame.flow.slot);
	if (!frame.table)
		return XDP_PASS;
	frame.head = map_lookup(frame.table, &zero);
	if (!frame.head)
		return XDP_PASS;
	frame.virtual = find_virtual(frame.table, frame.head, frame.packet.to);
	frame.block = block_of(processor());
	if (!frame.virtual || !frame.block || !is_on_vlan(&frame.packet, frame.virtual) ||
	    is_echo_request(ctx, &frame.packet))
		return XDP_PASS;
	frame.flow.client[0] = frame.packet.source[0];
	frame.flow.client[1] = frame.packet.source[1];
	mtu = frame.head->mtu_most;
	found = examine(ctx, &frame);
	if (found == BY_FLOW && frame.server) {
		frame.number = frame.server->number;
		frame.flow.row = frame.server->row;
		found = decide(&frame.flow, frame.table, frame.head, frame.server, frame.block);
	}
	if (!found) {
		frame.block[layout.passed]++;
		return XDP_PASS;
	}
	if (found > 0) {
		if (frame.packet.piece == FIRST_PIECE)
			remember_piece(&frame.packet, frame.flow.slot, found | frame.number << SERVER_SHIFT);
		action = send(ctx, &frame, found, &reason, &mtu);
		if (action != XDP_DROP)
			return action;
	} else {
		reason = -1 - found;
		frame.number = 0;
	}
	if (!frame.number)
		frame.number = blamed(ctx, &frame.packet, frame.flow.slot);
	count_drop(frame.block, reason, frame.number);
	return reason == TOO_BIG ? answer_too_big(ctx, &frame.packet, mtu) : XDP_DROP;
}

char terms[] SEC("license") = "GPL";
