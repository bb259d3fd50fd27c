"""Rules that no text states.

They were learned from the scalar path, where specification and RFCs are silent:

1. Checks come in this order: destination MAC, virtual address, source MAC, header, MTU, fragment, transport.
2. A server is looked for by address, port and protocol; then by any port; then by any protocol on the port; then by
   both any. A protocol without ports has port 0.
3. A TCP segment needs 20 bytes of header, whatever its data offset says; UDP 8, whatever its length field says.
4. The loop guard looks at the source MAC only after address and destination were found to be ours.
5. A server keyed by the client's port treats port 0 like a server keyed by the address: its FIN does not close.
6. A flow that begins with a SYN is half open, with another segment (also a FIN) fresh, with no TCP open.
7. An ICMP error neither refreshes its flow nor changes its state; the quote of a later fragment has no ports: it is
   told like a later fragment itself.
8. Only ICMP errors and echo requests to a virtual address are known; a server of any protocol gets no other ICMP.
9. Echo requests pass, and so do later fragments of ICMP that do not belong to an error that went to a target.
10. A first fragment that was forwarded is remembered for 30 s from then on; its retransmission begins anew.
11. A later fragment of which nothing is remembered goes by its client where exactly one server, keyed by address, may have
    its protocol on that address, whatever the server's port.
12. A session counts until its entry is overwritten or swept, also when it is void. What is fresh or half open lives 10 s
    and counts as half open beside the sessions.
13. The choice by `session` looks at all servers' flows of a target, the half-open ones included.
14. The turn of round robin is by server number, survives a change of table, and moves only where there is a target.
15. A flow that found no room counts as unrecorded also where there was no target; a reset does not count.
16. A packet without an entry that finds no room goes by the hash, whatever its flags; nothing in use makes room.
19. An ICMP error about a flow without an entry goes by the hash where the flow did: the method is `hash`, or there is no
    room. A BIG TCP super-frame has no checksum that could be checked.
17. Only a SYN lets the method of a TCP flow choose; a segment that finds no entry goes by the hash, written down where
    there is room. So a connection that found no room when it began stays where it is when there is room again.
18. The hash that places a flow in the table has the table's seed; the one that chooses has none.
20. A flow whose entry is half open when it ends was unanswered, if its time was over and its target could have kept it.
21. What is no session becomes one by any segment but a SYN or a reset; a reset makes it fresh. A SYN makes half open what
    is fresh or closing, and changes nothing where a flow is open: it may be repeated, or late.
22. A target with as many sessions as its limit gets no new flow that the method chooses; the target of the next bucket that
    has room does. What goes by the hash goes there whatever the limit. A flow that is to leave and finds nobody with room
    stays.
23. A packet is judged by the largest MTU of the ways out before its target is known, and by its target's after; its flow is
    there by then.
24. A drop is counted for the server of its destination: address, port and protocol; without ports at hand the one server
    that has the address; else for none. What cannot be sent is counted for the flow's server.
"""
