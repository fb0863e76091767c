"""examples/pcap-run: a capture goes in at one edge; what comes out of the other is compared octet
by octet with what two routers must make of it."""

import collections
import os
import subprocess
import tempfile

import tap
from tap import Skip, expect, expect_equal, run

from scapy.all import (  # pylint: disable=no-name-in-module
    ARP,
    ICMP,
    IP,
    TCP,
    UDP,
    Dot1Q,
    Ether,
    ICMPv6EchoRequest,
    IPOption_LSRR,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    Raw,
    RawPcapWriter,
    fragment,
    rdpcap,
)

PCAP_RUN = os.path.join(tap.ROOT, "examples", "pcap-run")
EDGE = "02:aa:00:00:00:01"  # the near edge, as the capture has it
HOST = "02:aa:00:00:00:10"
FAR_EDGE, FAR_HOST = "02:00:00:00:02:01", "02:00:00:00:02:02"  # examples/pcap.toml, pcap-run
SCRATCH = tempfile.TemporaryDirectory(prefix="isthmus-e2e-")


def ether(kind=None, dst=EDGE):
    return Ether(src=HOST, dst=dst) if kind is None else Ether(src=HOST, dst=dst, type=kind)


def good_packets():
    """IP packets that must be forwarded."""
    v4 = dict(src="10.9.0.1", dst="192.168.77.5")
    v6 = dict(src="fd09::1", dst="fd77::5")
    for length in (0, 1, 18, 500, 1471):
        payload = bytes(n % 251 for n in range(length))
        yield IP(**v4, id=length) / UDP(sport=1000 + length, dport=53) / Raw(payload)
    yield IP(**v4, ttl=3) / ICMP() / b"almost expired"
    yield IP(**v4, tos=0xB8) / TCP(sport=4000, dport=443, flags="S", options=[("MSS", 1460)])
    yield from fragment(IP(**v4, id=7) / UDP(sport=9, dport=9) / Raw(bytes(3000)), fragsize=1480)
    yield IP(**v4, proto=132) / Raw(b"a transport that nobody here knows")
    for length in (0, 1, 500, 1452):
        yield IPv6(**v6, hlim=64) / UDP(sport=2000 + length, dport=53) / Raw(bytes(length))
    yield IPv6(**v6, hlim=3, tc=0xB8, fl=0x12345) / ICMPv6EchoRequest(data=b"x" * 56)
    yield IPv6(**v6) / IPv6ExtHdrDestOpt() / UDP(sport=5, dport=6) / b"behind an extension header"
    yield IPv6(**v6) / IPv6ExtHdrFragment(id=5, offset=0, m=1, nh=17) / Raw(bytes(1200))


def bad_frames():
    """(what must be counted, frame) of frames that must not come out. All but those that expire on
    the way are dropped by the near edge."""
    v4 = dict(src="10.9.0.1", dst="192.168.77.5")
    good = bytes(ether() / IP(**v4) / UDP(sport=1, dport=2) / b"payload")
    yield "ttl_exceeded", ether() / IP(**v4, ttl=1) / UDP()
    yield "ttl_exceeded", ether() / IPv6(src="fd09::1", dst="fd77::5", hlim=1) / UDP()
    yield "", ether() / IP(**v4, ttl=2) / UDP()
    yield "", ether() / IPv6(src="fd09::1", dst="fd77::5", hlim=2) / UDP()
    yield "ipv4_checksum", ether() / IP(**v4, chksum=0x1234) / UDP()
    yield "not_for_us", ether(dst="02:aa:00:00:00:02") / IP(**v4) / UDP()
    yield "ipv4_options", ether() / IP(**v4, options=[IPOption_LSRR(routers=["10.0.0.1"])]) / UDP()
    yield "ip_truncated", Ether(good[:30])
    yield "frame_truncated", Raw(good[:13])
    yield "ipv4_martian", ether() / IP(src="127.0.0.1", dst="192.168.77.5") / UDP()
    yield "ip_multicast", ether() / IP(src="10.9.0.1", dst="224.1.2.3") / UDP()
    yield "ipv6_martian", ether() / IPv6(src="::1", dst="fd77::5") / UDP()
    yield "ether_type_unsupported", ether(0x88CC) / Raw(b"\x02\x07\x04" + bytes(50))
    yield "vlan_stacked", ether() / Dot1Q(vlan=5) / Dot1Q(vlan=6) / IP(**v4) / UDP()
    yield "no_attachment", ether() / Dot1Q(vlan=77) / IP(**v4) / UDP()
    yield "", ether(dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, psrc="10.9.0.1", pdst="192.168.77.5")


def forwarded(packet, vlan=None):
    """The frame that must come out: two hops further, from the far edge to its next hop."""
    packet = packet.copy()
    if IP in packet:
        packet[IP].ttl -= 2
        del packet[IP].chksum
    else:
        packet[IPv6].hlim -= 2
    header = Ether(src=FAR_EDGE, dst=FAR_HOST)
    return bytes(header / Dot1Q(vlan=vlan) / packet if vlan else header / packet)


def write_capture(path, frames):
    writer = RawPcapWriter(path, linktype=1)
    for frame in frames:
        writer.write(bytes(frame))
    writer.close()


def pass_through(name, frames, *options, launcher=()):
    """(frames that came out, what the script says)"""
    source = os.path.join(SCRATCH.name, f"{name}-in.pcap")
    target = os.path.join(SCRATCH.name, f"{name}-out.pcap")
    write_capture(source, frames)
    text = run(*launcher, PCAP_RUN, *options, source, target, timeout=60)
    tap.diagnose(text)
    # The far edge's own questions to its neighbours (ARP, ND) go to group addresses.
    return [frame for frame in map(bytes, rdpcap(target)) if not frame[0] & 1], text


def compare(measured, expected):
    """The same frames as often; flows take different channels, so the order among them is free."""
    missing = collections.Counter(expected) - collections.Counter(measured)
    surplus = collections.Counter(measured) - collections.Counter(expected)
    for title, frames in (("missing", missing), ("not expected", surplus)):
        for frame, count in list(frames.items())[:5]:
            tap.diagnose(f"{title} {count} x {frame.hex()}")
    expect(not missing and not surplus, "other frames came out than expected")


def plain(packet):
    """As on the wire: lengths and checksums filled in."""
    return type(packet)(bytes(packet))


def good_packets_come_out_and_bad_ones_do_not():
    good = [plain(packet) for packet in good_packets()]
    bad = list(bad_frames())
    frames = [ether() / packet for packet in good]
    for index, (_, frame) in enumerate(bad):
        frames.insert(index * 2, frame)
    measured, text = pass_through("mixed", frames)
    compare(measured, [forwarded(packet) for packet in good])
    expected = collections.Counter(reason for reason, _ in bad if reason)
    near = next(line for line in text.splitlines() if line.startswith("aws:"))
    for reason, count in expected.items():
        expect(f"{reason} {count}" in near, f"not counted: {reason} {count}")


def order_within_a_flow_is_kept():
    packets = [
        plain(
            IP(src="10.9.0.1", dst="192.168.77.5", id=n)
            / UDP(sport=3000 + n % 8, dport=9)
            / Raw(bytes(n % 900))
        )
        for n in range(2000)
    ]
    measured, _ = pass_through("flows", [ether() / packet for packet in packets])
    compare(measured, [forwarded(packet) for packet in packets])
    for flow in range(8):
        ids = [IP(f[14:]).id for f in measured if IP(f[14:]).sport == 3000 + flow]
        expect_equal(ids, sorted(ids), f"order of flow {flow}")


def a_vlan_goes_in_and_comes_out():
    good = [plain(packet) for packet in good_packets()]
    frames = [ether() / Dot1Q(vlan=300) / packet for packet in good]
    frames.append(ether() / good[0])
    measured, text = pass_through("vlan", frames, "--vlan", "300")
    compare(measured, [forwarded(packet, vlan=300) for packet in good])
    expect("aws: dropped no_attachment 1\n" in text, text)


def a_capture_without_ip_is_refused():
    source = os.path.join(SCRATCH.name, "empty.pcap")
    write_capture(source, [ether(0x88CC) / Raw(bytes(50))])
    text = run(PCAP_RUN, source, source + ".out", check=False)
    expect("no unicast IP packet" in text, text)
    expect(not os.path.exists(source + ".out"), "an output was written")


def needs_no_privileges():
    if os.geteuid() != 0:
        raise Skip("this user has none; the other cases show it")
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    program = os.path.join(tap.BUILD, "src", "control", "isthmusd")
    for path in (program, PCAP_RUN):
        if subprocess.run([*nobody, "test", "-x", path], check=False).returncode:
            raise Skip(f"{path} is closed to other users")
    os.chmod(SCRATCH.name, 0o777)
    packet = plain(IP(src="10.9.0.1", dst="192.168.77.5") / UDP() / b"from nobody")
    measured, _ = pass_through("nobody", [ether() / packet], launcher=nobody)
    compare(measured, [forwarded(packet)])


if __name__ == "__main__":
    raise SystemExit(
        tap.run_cases(
            [
                good_packets_come_out_and_bad_ones_do_not,
                order_within_a_flow_is_kept,
                a_vlan_goes_in_and_comes_out,
                a_capture_without_ip_is_refused,
                needs_no_privileges,
            ],
            after=SCRATCH.cleanup,
        )
    )
