/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Made by `python -m engine.datapath.xdp.declarations`; do not edit. */
#ifndef DECLARED_H
#define DECLARED_H

/* FlowState */
enum {
	FRESH = 0,
	OPEN = 1,
	CLOSING = 2,
	HALF_OPEN = 3,
};

/* Pick */
enum {
	NEXT = 0,
	RANDOM = 1,
	HASH = 2,
	LEAST = 3,
	FIRST = 4,
};

/* DropReason */
enum {
	NO_SERVER = 0,
	NO_TARGET = 1,
	LOOP = 2,
	MALFORMED = 3,
	FRAGMENT = 4,
	ICMP_NO_FLOW = 5,
	PROTOCOL = 6,
	TOO_BIG = 7,
	TRUNCATED = 8,
	TX_FULL = 9,
	TX_ERROR = 10,
	FAULT = 11,
	CHECKSUM = 12,
	TTL = 13,
	MARTIAN = 14,
	OVERLOAD = 15,
};

#endif
