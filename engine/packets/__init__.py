"""Ethernet, ARP, IPv4, ICMP and TCP as the control process needs them: bytes to fields, and fields to bytes.

All frames are without a VLAN tag; a MAC is 6 bytes in network order, an IP address an engine.domain.address.Address.
"""
