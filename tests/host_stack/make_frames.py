#!/usr/bin/python3
"""Writes frames.vec: what neighbours of the edge send, and what it must answer, built by scapy.

Usage: make_frames.py > frames.vec
Each line is a name and the octets of a frame. The addresses are those of simulated_edge.hpp.
"""
import logging

logging.getLogger("scapy").setLevel(logging.ERROR)
import scapy
from scapy.all import (ARP, Dot1Q, Ether, ICMP, ICMPv6DestUnreach, ICMPv6EchoReply,
                       ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_RA, ICMPv6ND_RS,
                       ICMPv6NDOptDstLLAddr, ICMPv6NDOptMTU, ICMPv6NDOptSrcLLAddr,
                       ICMPv6PacketTooBig, ICMPv6TimeExceeded, IP, IPOption_Router_Alert, IPv6,
                       IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrRouting, PadN, Raw, TCP,
                       UDP)

VPC_MAC, CHANNEL_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
HOST_MAC, PEER_MAC = "02:aa:00:00:00:09", "02:bb:00:00:00:02"
ALL = "ff:ff:ff:ff:ff:ff"
EDGE4, HOST4, FAR4 = "10.0.0.1", "10.0.0.9", "192.0.2.7"
EDGE6, HOST6, FAR6 = "fd00:a::1", "fd00:a::9", "fd00:f::7"
CEDGE4, CPEER4, CEDGE6, CPEER6 = "169.254.10.1", "169.254.10.2", "fd00:c::1", "fd00:c::2"
VPC_LL, HOST_LL = "fe80::ff:fe00:1", "fe80::aa"
SOLICITED, SOLICITED_LL = "ff02::1:ff00:1", "ff02::1:ff00:1"
SOLICITED_MAC = "33:33:ff:00:00:01"

frames = {}


def put(name, frame):
    frames[name] = bytes(frame)


def vpc(dst=VPC_MAC, src=HOST_MAC):
    return Ether(dst=dst, src=src)


def back(dst=HOST_MAC):
    return Ether(dst=dst, src=VPC_MAC)


def channel():
    return Ether(dst=CHANNEL_MAC, src=PEER_MAC) / Dot1Q(vlan=1030)


def channel_back():
    return Ether(dst=PEER_MAC, src=CHANNEL_MAC) / Dot1Q(vlan=1030)


def arp(op, sender, sender_ip, target, target_ip):
    return ARP(op=op, hwsrc=sender, psrc=sender_ip, hwdst=target, pdst=target_ip)


ZERO = "00:00:00:00:00:00"
put("arp_request", vpc(ALL) / arp(1, HOST_MAC, HOST4, ZERO, EDGE4))
put("arp_request_padded", bytes(vpc(ALL) / arp(1, HOST_MAC, HOST4, ZERO, EDGE4)) + bytes(18))
put("arp_reply_out", back() / arp(2, VPC_MAC, EDGE4, HOST_MAC, HOST4))
put("arp_channel", Ether(dst=ALL, src=PEER_MAC) / Dot1Q(vlan=1030)
    / arp(1, PEER_MAC, CPEER4, ZERO, CEDGE4))
put("arp_channel_out", channel_back() / arp(2, CHANNEL_MAC, CEDGE4, PEER_MAC, CPEER4))
put("arp_probe", vpc(ALL) / arp(1, HOST_MAC, "0.0.0.0", ZERO, EDGE4))
put("arp_probe_out", back() / arp(2, VPC_MAC, EDGE4, HOST_MAC, "0.0.0.0"))
put("arp_other", vpc(ALL) / arp(1, HOST_MAC, HOST4, ZERO, "10.0.0.77"))
put("arp_conflict", vpc(ALL) / arp(1, HOST_MAC, EDGE4, ZERO, EDGE4))
put("arp_stranger", vpc(ALL) / arp(1, HOST_MAC, "10.9.9.9", ZERO, EDGE4))
put("arp_subnet_broadcast", vpc(ALL) / arp(1, HOST_MAC, "10.0.0.255", ZERO, EDGE4))
put("arp_unasked_reply", vpc() / arp(2, HOST_MAC, HOST4, VPC_MAC, EDGE4))
put("arp_bad_operation", vpc(ALL) / arp(3, HOST_MAC, HOST4, ZERO, EDGE4))
put("arp_bad_hardware", vpc(ALL) / ARP(hwtype=6, op=1, hwsrc=HOST_MAC, psrc=HOST4, pdst=EDGE4))
put("arp_group_sender", vpc(ALL) / arp(1, "03:00:00:00:00:01", HOST4, ZERO, EDGE4))
put("arp_ask_out", Ether(dst=ALL, src=VPC_MAC) / arp(1, VPC_MAC, EDGE4, ZERO, HOST4))
put("arp_probe_host_out", back() / arp(1, VPC_MAC, EDGE4, ZERO, HOST4))
put("arp_announce_out", Ether(dst=ALL, src=VPC_MAC) / arp(1, VPC_MAC, EDGE4, ZERO, EDGE4))


def ns(src, dst, target, mac=HOST_MAC, hlim=255, **fields):
    message = IPv6(src=src, dst=dst, hlim=hlim) / ICMPv6ND_NS(tgt=target, **fields)
    return message / ICMPv6NDOptSrcLLAddr(lladdr=mac) if mac else message


def na(src, dst, target, mac=VPC_MAC, solicited=1, override=1, router=1):
    return (IPv6(src=src, dst=dst, hlim=255)
            / ICMPv6ND_NA(tgt=target, R=router, S=solicited, O=override)
            / ICMPv6NDOptDstLLAddr(lladdr=mac))


put("ns", vpc(SOLICITED_MAC) / ns(HOST6, SOLICITED, EDGE6))
put("ns_out", back() / na(EDGE6, HOST6, EDGE6))
put("ns_link_local", vpc(SOLICITED_MAC) / ns(HOST_LL, SOLICITED_LL, VPC_LL))
put("ns_link_local_out", back() / na(VPC_LL, HOST_LL, VPC_LL))
put("ns_from_link_local", vpc(SOLICITED_MAC) / ns(HOST_LL, SOLICITED, EDGE6))
put("ns_from_link_local_out", back() / na(EDGE6, HOST_LL, EDGE6))
put("ns_unicast", vpc() / ns(HOST6, EDGE6, EDGE6, mac=None))
put("ns_two_options", vpc(SOLICITED_MAC) / ns(HOST6, SOLICITED, EDGE6, mac=None)
    / ICMPv6NDOptMTU() / ICMPv6NDOptSrcLLAddr(lladdr=HOST_MAC))
put("ns_dad", vpc(SOLICITED_MAC) / ns("::", SOLICITED, EDGE6, mac=None))
put("ns_dad_out", back("33:33:00:00:00:01") / na(EDGE6, "ff02::1", EDGE6, solicited=0))
put("ns_channel", Ether(dst=SOLICITED_MAC, src=PEER_MAC) / Dot1Q(vlan=1030)
    / ns(CPEER6, SOLICITED, CEDGE6, mac=PEER_MAC))
put("ns_channel_out", channel_back() / na(CEDGE6, CPEER6, CEDGE6, mac=CHANNEL_MAC))
put("ns_other", vpc("33:33:ff:00:00:77") / ns(HOST6, "ff02::1:ff00:77", "fd00:a::77"))
put("ns_conflict", vpc(SOLICITED_MAC) / ns(EDGE6, SOLICITED, EDGE6))
put("ns_stranger", vpc(SOLICITED_MAC) / ns("fd00:b::1", SOLICITED, EDGE6))
put("ns_dad_with_option", vpc(SOLICITED_MAC) / ns("::", SOLICITED, EDGE6))
put("ns_dad_unicast", vpc() / ns("::", EDGE6, EDGE6, mac=None))
put("ns_hop_limit", vpc(SOLICITED_MAC) / ns(HOST6, SOLICITED, EDGE6, hlim=254))
put("ns_checksum", vpc(SOLICITED_MAC) / ns(HOST6, SOLICITED, EDGE6, cksum=1))
put("ns_code", vpc(SOLICITED_MAC) / ns(HOST6, SOLICITED, EDGE6, code=1))
put("ns_multicast_target", vpc(SOLICITED_MAC) / ns(HOST6, SOLICITED, "ff02::1"))
put("ns_option_zero", vpc(SOLICITED_MAC) / ns(HOST6, SOLICITED, EDGE6, mac=None)
    / Raw(bytes([1, 0, 2, 0, 0, 0, 0, 9])))
put("ns_option_long", vpc(SOLICITED_MAC) / ns(HOST6, SOLICITED, EDGE6, mac=None)
    / Raw(bytes([1, 2, 2, 0, 0, 0, 0, 9])))
put("ns_option_rest", vpc(SOLICITED_MAC) / ns(HOST6, SOLICITED, EDGE6) / Raw(bytes([1, 1, 2])))
put("ns_option_group_mac", vpc(SOLICITED_MAC) / ns(HOST6, SOLICITED, EDGE6, mac=ALL))
put("ns_fragment_header", vpc(SOLICITED_MAC) / IPv6(src=HOST6, dst=SOLICITED, hlim=255)
    / IPv6ExtHdrFragment(id=7) / ICMPv6ND_NS(tgt=EDGE6) / ICMPv6NDOptSrcLLAddr(lladdr=HOST_MAC))
put("rs", vpc("33:33:00:00:00:02") / IPv6(src=HOST_LL, dst="ff02::2", hlim=255) / ICMPv6ND_RS())
put("ra", vpc("33:33:00:00:00:01") / IPv6(src=HOST_LL, dst="ff02::1", hlim=255) / ICMPv6ND_RA())
put("na_solicited", vpc() / na(HOST6, EDGE6, HOST6, HOST_MAC, router=0))
put("na_plain", vpc() / na(HOST6, EDGE6, HOST6, HOST_MAC, solicited=0, override=0, router=0))
put("na_other_mac", vpc() / na(HOST6, EDGE6, HOST6, "02:aa:00:00:00:10", override=0))
put("na_override", vpc() / na(HOST6, EDGE6, HOST6, "02:aa:00:00:00:10", solicited=0))
put("na_override_solicited", vpc() / na(HOST6, EDGE6, HOST6, "02:aa:00:00:00:10"))
put("na_no_option", vpc() / IPv6(src=HOST6, dst=EDGE6, hlim=255) / ICMPv6ND_NA(tgt=HOST6, S=1, O=0))
put("na_multicast_solicited", vpc("33:33:00:00:00:01") / na(HOST6, "ff02::1", HOST6, HOST_MAC))
put("ns_ask_out", Ether(dst="33:33:ff:00:00:09", src=VPC_MAC)
    / ns(EDGE6, "ff02::1:ff00:9", HOST6, mac=VPC_MAC))
put("ns_probe_out", back() / ns(EDGE6, HOST6, HOST6, mac=VPC_MAC))
put("na_announce_out", back("33:33:00:00:00:01") / na(EDGE6, "ff02::1", EDGE6, solicited=0))


def ping4(src=HOST4, dst=EDGE4, data=b"isthmus ping", **fields):
    return IP(src=src, dst=dst, ttl=61, id=7, **fields) / ICMP(type=8, id=0x1234, seq=5) / data


def pong4(src=EDGE4, dst=HOST4, data=b"isthmus ping", **fields):
    return IP(src=src, dst=dst, ttl=64, id=0, **fields) / ICMP(type=0, id=0x1234, seq=5) / data


def ping6(src=HOST6, dst=EDGE6, data=b"isthmus ping"):
    return IPv6(src=src, dst=dst, hlim=61) / ICMPv6EchoRequest(id=0x1234, seq=5, data=data)


def pong6(src=EDGE6, dst=HOST6, data=b"isthmus ping"):
    return IPv6(src=src, dst=dst, hlim=64) / ICMPv6EchoReply(id=0x1234, seq=5, data=data)


put("ping4", vpc() / ping4())
put("ping4_out", back() / pong4())
put("ping4_odd_padded", bytes(vpc() / ping4(data=b"x")) + bytes(17))
put("ping4_odd_padded_out", back() / pong4(data=b"x"))
put("ping4_options", vpc() / ping4(options=[IPOption_Router_Alert()]))
put("ping4_dscp", vpc() / ping4(tos=0xb9))
put("ping4_dscp_out", back() / pong4(tos=0xb8))
put("ping4_channel", channel() / ping4(CPEER4, CEDGE4))
put("ping4_channel_out", channel_back() / pong4(CEDGE4, CPEER4))
put("ping4_vpc_side", channel() / ping4(FAR4, EDGE4))
put("ping4_vpc_side_out", channel_back() / pong4(EDGE4, FAR4))
put("ping4_other", vpc() / ping4(dst="10.0.0.2"))
put("ping4_checksum", vpc() / IP(src=HOST4, dst=EDGE4) / ICMP(type=8, chksum=1))
put("ping4_header_checksum", vpc() / ping4(chksum=1))
put("ping4_reply", vpc() / IP(src=HOST4, dst=EDGE4) / ICMP(type=0))
put("ping4_fragment", vpc() / ping4(flags="MF"))
put("ping4_last_fragment", vpc() / IP(src=HOST4, dst=EDGE4, frag=2, proto=1) / Raw(b"12345678"))
put("ping4_broadcast_frame", vpc(ALL) / ping4())
put("ping4_from_us", vpc() / ping4(src=EDGE4))
put("ping4_from_loopback", vpc() / ping4(src="127.0.0.1"))
put("ping4_from_broadcast", vpc() / ping4(src="10.0.0.255"))
put("ping4_huge", vpc() / ping4(data=bytes(1480)))
put("ping6", vpc() / ping6())
put("ping6_out", back() / pong6())
put("ping6_link_local", vpc() / ping6(HOST_LL, VPC_LL))
put("ping6_link_local_out", back() / pong6(VPC_LL, HOST_LL))
put("ping6_vpc_side", channel() / ping6(FAR6, EDGE6))
put("ping6_vpc_side_out", channel_back() / pong6(EDGE6, FAR6))
put("ping6_other_link_local", channel() / ping6("fe80::1", VPC_LL))
put("ping6_options", vpc() / IPv6(src=HOST6, dst=EDGE6) / IPv6ExtHdrDestOpt(options=[PadN()])
    / ICMPv6EchoRequest(id=0x1234, seq=5, data=b"isthmus ping"))
put("ping6_atomic_fragment", vpc() / IPv6(src=HOST6, dst=EDGE6) / IPv6ExtHdrFragment(id=1)
    / ICMPv6EchoRequest(id=0x1234, seq=5, data=b"isthmus ping"))
put("ping6_fragment", vpc() / IPv6(src=HOST6, dst=EDGE6) / IPv6ExtHdrFragment(id=1, m=1)
    / ICMPv6EchoRequest(data=b"12345678"))
put("ping6_source_route", vpc() / IPv6(src=HOST6, dst=EDGE6)
    / IPv6ExtHdrRouting(addresses=[FAR6], segleft=1) / ICMPv6EchoRequest())
put("ping6_group", vpc("33:33:00:00:00:01") / ping6(HOST_LL, "ff02::1"))
put("ping6_checksum", vpc() / IPv6(src=HOST6, dst=EDGE6) / ICMPv6EchoRequest(cksum=1))
put("tcp4", vpc() / IP(src=HOST4, dst=EDGE4) / TCP(dport=179))

udp4 = IP(src=FAR4, dst=EDGE4, ttl=1, id=9) / UDP(sport=33000, dport=33434) / b"traceroute"
udp6 = IPv6(src=FAR6, dst=EDGE6, hlim=1) / UDP(sport=33000, dport=33434) / b"traceroute"


def error4(type, code, quoted, src=EDGE4, dst=FAR4, mtu=0):
    return (IP(src=src, dst=dst, ttl=64, tos=0xc0, id=0)
            / ICMP(type=type, code=code, nexthopmtu=mtu) / Raw(bytes(quoted)[:548]))


def error6(kind, quoted, src=EDGE6, dst=FAR6):
    return IPv6(src=src, dst=dst, hlim=64) / kind / Raw(bytes(quoted)[:1232])


put("udp4", channel() / udp4)
put("udp4_out", channel_back() / error4(3, 3, udp4))
put("udp6", channel() / udp6)
put("udp6_out", channel_back() / error6(ICMPv6DestUnreach(code=4), udp6))
put("udp4_short", vpc() / IP(src=HOST4, dst=EDGE4, proto=17) / Raw(b"1234"))

transit4 = IP(src=HOST4, dst=FAR4, ttl=9, id=3) / UDP(sport=5, dport=6) / b"to the other cloud"
transit6 = IPv6(src=HOST6, dst=FAR6, hlim=9) / UDP(sport=5, dport=6) / b"to the other cloud"
big6 = IPv6(src=HOST6, dst=FAR6, hlim=9) / UDP() / Raw(bytes(range(256)) * 5)
big4 = IP(src=HOST4, dst=FAR4, ttl=9, id=3, flags="DF") / UDP() / Raw(bytes(range(256)) * 5)
put("transit4", vpc() / transit4)
put("transit4_padded", bytes(vpc() / transit4) + bytes(9))
put("transit6", vpc() / transit6)
put("big4", vpc() / big4)
put("big6", vpc() / big6)
here4, here6 = {"dst": HOST4}, {"dst": HOST6}
put("time4_out", back() / error4(11, 0, transit4, **here4))
put("net4_out", back() / error4(3, 0, transit4, **here4))
put("host4_out", back() / error4(3, 1, transit4, **here4))
put("big4_out", back() / error4(3, 4, big4, mtu=1400, **here4))
put("time6_out", back() / error6(ICMPv6TimeExceeded(), transit6, **here6))
put("net6_out", back() / error6(ICMPv6DestUnreach(code=0), transit6, **here6))
put("host6_out", back() / error6(ICMPv6DestUnreach(code=3), transit6, **here6))
put("big6_out", back() / error6(ICMPv6PacketTooBig(mtu=1400), big6, **here6))
put("big6_min_out", back() / error6(ICMPv6PacketTooBig(mtu=1280), big6, **here6))

# No error may be sent for these.
put("mute4_error", vpc() / IP(src=HOST4, dst=FAR4) / ICMP(type=3, code=1) / bytes(28))
put("mute4_unknown_icmp", vpc() / IP(src=HOST4, dst=FAR4) / ICMP(type=99))
put("mute4_fragment", vpc() / IP(src=HOST4, dst=FAR4, frag=3) / Raw(b"12345678"))
put("mute4_group", vpc("01:00:5e:00:00:09") / IP(src=HOST4, dst="224.0.0.9") / UDP())
put("mute4_group_frame", vpc(ALL) / transit4)
put("mute4_broadcast", vpc() / IP(src=HOST4, dst="255.255.255.255") / UDP())
put("mute4_subnet_broadcast", vpc() / IP(src=FAR4, dst="10.0.0.255") / UDP())
put("mute4_source_zero", vpc() / IP(src="0.0.0.0", dst=FAR4) / UDP())
put("mute4_source_own", vpc() / IP(src=EDGE4, dst=FAR4) / UDP())
put("mute4_source_group", vpc() / IP(src="224.0.0.1", dst=FAR4) / UDP())
put("mute6_error", vpc() / IPv6(src=HOST6, dst=FAR6) / ICMPv6DestUnreach() / bytes(48))
put("mute6_redirect", vpc() / IPv6(src=HOST6, dst=FAR6, nh=58) / Raw(bytes([137] + [0] * 39)))
put("mute6_fragment", vpc() / IPv6(src=HOST6, dst=FAR6) / IPv6ExtHdrFragment(offset=4, nh=17)
    / Raw(b"12345678"))
put("mute6_source_none", vpc() / IPv6(src="::", dst=FAR6) / UDP())
put("mute6_group", vpc("33:33:00:00:00:99") / IPv6(src=HOST6, dst="ff05::99") / UDP())
put("mute6_error_behind_options", vpc() / IPv6(src=HOST6, dst=FAR6)
    / IPv6ExtHdrDestOpt(options=[PadN()]) / ICMPv6DestUnreach())
put("told6_group_too_big_out", back() / error6(ICMPv6PacketTooBig(mtu=1400),
    IPv6(src=HOST6, dst="ff05::99") / UDP(), **here6))

# Packets to be sent on once their next hop is known, from the far side to HOST.
down4 = {"src": FAR4, "dst": HOST4, "id": 3}
down6 = {"src": FAR6, "dst": HOST6}
put("down4", channel() / IP(ttl=9, **down4) / UDP(sport=5, dport=6) / b"to the VPC")
put("down4_out", back() / IP(ttl=8, **down4) / UDP(sport=5, dport=6) / b"to the VPC")
put("down6", channel() / IPv6(hlim=9, **down6) / UDP(sport=5, dport=6) / b"to the VPC")
put("down6_out", back() / IPv6(hlim=8, **down6) / UDP(sport=5, dport=6) / b"to the VPC")
put("down4_last_hop", channel() / IP(ttl=1, **down4) / UDP())
put("down4_host_out", channel_back() / error4(
    3, 1, IP(ttl=9, **down4) / UDP(sport=5, dport=6) / b"to the VPC", src=CEDGE4))
put("down6_host_out", channel_back() / error6(
    ICMPv6DestUnreach(code=3), IPv6(hlim=9, **down6) / UDP(sport=5, dport=6) / b"to the VPC",
    src=CEDGE6))
put("stacked_tags", vpc() / Dot1Q(vlan=5) / Dot1Q(vlan=6) / ping4())
put("not_ip", Ether(dst=VPC_MAC, src=HOST_MAC, type=0x88cc) / Raw(b"lldp"))

print(f"# Made by make_frames.py with scapy {scapy.__version__}: name, octets.")
for name, octets in frames.items():
    print(name, octets.hex())
