"""A running isthmusd against an independent MACsec: scapy's, over veth, in both directions.

Good frames of every suite, across the wrap of the lower PN half with XPN, integrity only as well;
and bad ones, each of which must be dropped under its own counter.
"""

import os
import random
import secrets
import signal
import socket
import subprocess
import tempfile
import time

import netns
import tap
from isthmus_client import Client
from scapy.contrib.macsec import MACsec, MACsecSA
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw
from tap import expect, expect_equal

HOST_MAC, PEER_MAC = "02:aa:00:00:00:0a", "02:bb:00:00:00:0b"
HOST, REMOTE = "10.1.0.10", "10.2.0.10"
VLAN = 1025
ETHER_TYPE_OFFSET, TCI_OFFSET, PN_OFFSET = 12, 14, 16
SIZES = 4 * (28, 46, 47, 48, 60, 64, 128, 500, 999, 1400, 1500)  # octets of IP packets
BEFORE_WRAP = 20  # packet numbers; more than that many packets are sent


class ChannelCase:
    """One channel: how it is configured, and the keys that both sides have."""

    def __init__(self, number, suite, encrypt=True, first_pn=1):
        self.number, self.suite, self.encrypt, self.first_pn = number, suite, encrypt, first_pn
        self.name = f"ch{number}"
        self.xpn = "XPN" in suite
        octets = 16 if suite.endswith("128") else 32
        self.tx_sak, self.rx_sak = secrets.token_bytes(octets), secrets.token_bytes(octets)
        self.salt = secrets.token_bytes(12) if self.xpn else None
        self.link = f"169.254.{number}"
        self.peer_sci = bytes.fromhex(PEER_MAC.replace(":", "")) + b"\0\1"

    def configuration(self):
        return [
            "[[port]]", f'name = "{self.name}"', f'device = "net_af_xdp{self.number},iface=c{self.number}"',
            "[[channel]]", f'name = "{self.name}"', f'port = "{self.name}"',
            f'cipher_suite = "{self.suite}"', f"encrypt = {str(self.encrypt).lower()}",
        ]

    def sa(self, sak, pn, ssci):
        body = {"an": 0, "sak": sak.hex(), **pn}
        if self.xpn:
            body |= {"salt": self.salt.hex(), "ssci": ssci}
        return body

    def scapy_sa(self, sak, sci, ssci, an=0):
        extra = {"xpn_en": True, "ssci": ssci, "salt": self.salt} if self.xpn else {}
        return MACsecSA(sci, an, self.first_pn, sak, 16, self.encrypt, True, **extra)


CASES = (
    ChannelCase(1, "GCM-AES-XPN-256", first_pn=2**32 - BEFORE_WRAP),
    ChannelCase(2, "GCM-AES-128"),
    ChannelCase(3, "GCM-AES-256", encrypt=False),
    ChannelCase(4, "GCM-AES-XPN-128", encrypt=False, first_pn=2**33 - BEFORE_WRAP),
    ChannelCase(5, "GCM-AES-256"),
)


class Bench:
    """The edge in a namespace of its own; the far ends of its links in another."""

    def __enter__(self):
        netns.require("veth and AF_XDP")
        self.edge, self.far = netns.Namespace("scapy-edge"), netns.Namespace("scapy-far")
        self.folder = tempfile.TemporaryDirectory(prefix="isthmus-scapy-")
        self.process = None
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        for name in ("v0", *(f"c{case.number}" for case in CASES)):
            netns.veth(self.edge, name, self.far, name)
        self.host = self.far.packet_socket("v0")
        self.wires = {case.name: self.far.packet_socket(f"c{case.number}") for case in CASES}
        path = os.path.join(self.folder.name, "isthmusd.toml")
        self.socket_path = os.path.join(self.folder.name, "isthmusd.sock")
        self.log_path = os.path.join(self.folder.name, "log")
        lines = [
            f'socket = "{self.socket_path}"', 'state = "none"', 'poll = "adaptive"',
            f"worker_cores = [{max(os.sched_getaffinity(0))}]", "packet_buffers = 32768",
            "[[edge]]", 'name = "here"', "[[interconnect]]", 'name = "ic"',
            "[[port]]", 'name = "vpc"', 'device = "net_af_xdp0,iface=v0"',
        ]
        for case in CASES:
            lines += case.configuration()
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        program = os.path.join(tap.BUILD, "src", "control", "isthmusd")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                self.edge.command(program, "--config", path),
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + 40
        while not os.path.exists(self.socket_path):
            expect(self.process.poll() is None and time.monotonic() < deadline, self.log())
            time.sleep(0.1)
        self.client = Client(self.socket_path)
        self.configure()

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return "isthmusd does not run:\n" + file.read()

    def path(self, case):
        return f"/v1/edges/here/channels/{case.name}"

    def channel(self, case):
        return self.client.get(self.path(case))

    def configure(self):
        features = {}
        for case in CASES:
            features[case.name] = {
                "vlan": VLAN, "addresses": [f"{case.link}.1/30"], "peer_ipv4": f"{case.link}.2",
            }
            tx = self.channel(case)["tx_scs"][0]["sci"]
            case.edge_sci = bytes.fromhex(tx)
            self.client.call("POST", self.path(case) + "/rx-scs", {"sci": case.peer_sci.hex()})
            self.client.call("POST", self.path(case) + f"/rx-scs/{case.peer_sci.hex()}/sas",
                             case.sa(case.rx_sak, {"lowest_pn": case.first_pn}, 2))
            self.client.call("POST", self.path(case) + "/tx-sas",
                             case.sa(case.tx_sak, {"next_pn": case.first_pn}, 1))
        self.client.call("POST", "/v1/edges/here/attachments", {
            "name": "cust", "port": "vpc", "addresses": ["10.1.0.1/24"], "features": features,
            "routes": [{"prefix": "10.2.0.0/16", "via": "channels"}],
        })
        neighbours = "/v1/edges/here/attachments/cust/neighbours"
        self.client.call("PUT", f"{neighbours}/{HOST}", {"mac": HOST_MAC})
        for case in CASES:
            self.client.call("PUT", f"{neighbours}/{case.link}.2",
                             {"mac": PEER_MAC, "channel": case.name})
        macs = {port["name"]: port["mac"]
                for port in self.client.get("/v1/edges/here/ports")["ports"]}
        self.vpc_mac = macs["vpc"]
        for case in CASES:
            case.mac = macs[case.name]
        deadline = time.monotonic() + 10
        while not all(self.channel(case)["usable"] for case in CASES):
            expect(time.monotonic() < deadline, "the channels do not become usable")
            time.sleep(0.05)

    def only(self, case):
        """All that is sent goes by this channel; the others still receive."""
        self.client.call("PATCH", self.path(case), {"admin_state": "up"})
        for other in CASES:
            if other is not case:
                self.client.call("PATCH", self.path(other), {"admin_state": "drain"})

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for namespace in (self.edge, self.far):
            namespace.remove()
        self.folder.cleanup()


bench = Bench()


def forget_received(port):
    """What has arrived so far, such as the edge's announcements of itself, is not looked at."""
    port.setblocking(False)
    try:
        while True:
            port.recv(65535)
    except BlockingIOError:
        pass


def receive(port, count, wanted, seconds=5.0):
    """`count` frames that are wanted; fewer if no more come."""
    frames, deadline = [], time.monotonic() + seconds
    while len(frames) < count and (left := deadline - time.monotonic()) > 0:
        port.settimeout(left)
        try:
            frame, (_, _, packet_type, *_rest) = port.recvfrom(65535)
        except socket.timeout:
            break
        if packet_type != socket.PACKET_OUTGOING and wanted(frame):
            frames.append(frame)
    return frames


def payload(size, seed):
    return random.Random(seed).randbytes(size - 28)


def packet(source, destination, size, number):
    """An IP packet of `size` octets whose checksums are filled in."""
    built = IP(src=source, dst=destination, ttl=64, id=number) / UDP(sport=number, dport=9)
    return IP(bytes(built / Raw(payload(size, number))))


def forwarded(ip_packet):
    """The octets of a packet one router further."""
    copy = ip_packet.copy()
    copy.ttl -= 1
    del copy.chksum
    return bytes(copy)


def is_type(ether_type):
    return lambda frame: frame[ETHER_TYPE_OFFSET:ETHER_TYPE_OFFSET + 2] == ether_type.to_bytes(2, "big")


def what_the_edge_sends(case):
    bench.only(case)
    wire, sa = bench.wires[case.name], case.scapy_sa(case.tx_sak, case.edge_sci, 1)
    sent = [packet(HOST, REMOTE, size, n) for n, size in enumerate(SIZES, start=1)]
    forget_received(wire)
    sa.pn = bench.channel(case)["tx_sas"][0]["next_pn"]
    expect(not case.xpn or sa.pn >> 32 == case.first_pn >> 32, "the PN is past the wrap already")
    for one in sent:
        bench.host.send(bytes(Ether(dst=bench.vpc_mac, src=HOST_MAC) / one))
    frames = receive(wire, len(sent), is_type(0x88E5))
    expect_equal(len(frames), len(sent), "MACsec frames on the channel")
    for expected, frame in zip(sent, frames):
        ether = Ether(frame)
        # scapy leaves the upper half of an extended PN to its caller.
        expect_equal(ether[MACsec].pn, sa.pn & 0xFFFFFFFF, "PN on the wire")
        expect_equal((ether[MACsec].SC, ether[MACsec].E, ether[MACsec].C),
                     (1, int(case.encrypt), int(case.encrypt)), "SC, E, C")
        inner = sa.decap(sa.decrypt(ether))
        sa.pn += 1
        expect_equal((inner.src, inner.dst), (case.mac, PEER_MAC), "addresses of the frame")
        expect_equal(inner[Dot1Q].vlan, VLAN, "VLAN inside")
        expect_equal(bytes(inner[IP]), forwarded(expected), f"packet {expected.id}")


def protected(case, sa, ip_packet):
    frame = Ether(dst=case.mac, src=PEER_MAC) / Dot1Q(vlan=VLAN) / ip_packet
    sealed = bytes(sa.encrypt(sa.encap(Ether(bytes(frame)))))
    sa.pn += 1
    return sealed


def what_the_edge_accepts(case):
    wire, sa = bench.wires[case.name], case.peer
    sent = [packet(REMOTE, HOST, size, 1000 + n) for n, size in enumerate(SIZES)]
    before = bench.channel(case)["rx_scs"][0]["in_pkts_ok"]
    for one in sent:
        wire.send(protected(case, sa, one))
    frames = receive(bench.host, len(sent), is_type(0x0800))
    expect_equal(len(frames), len(sent), "packets at the host")
    for one, frame in zip(sent, frames):
        got = Ether(frame)
        expect_equal((got.src, got.dst), (bench.vpc_mac, HOST_MAC), "addresses of the frame")
        expect_equal(bytes(got[IP]), forwarded(one), f"packet {one.id}")
    expect_equal(bench.channel(case)["rx_scs"][0]["in_pkts_ok"] - before, len(sent), "InPktsOK")


def flip(frame, offset, bit=1):
    return frame[:offset] + bytes([frame[offset] ^ bit]) + frame[offset + 1:]


def counters(case):
    """All that can count a bad frame: of the SecY and of its one receive SC."""
    channel = bench.channel(case)
    sc = channel["rx_scs"][0]
    return {name: value for part in (channel, sc) for name, value in part.items()
            if name.startswith("in_pkts_")}


def what_the_edge_refuses(case):
    wire, sa = bench.wires[case.name], case.peer
    ip_packet = packet(REMOTE, HOST, 200, 7)
    stranger = case.scapy_sa(case.rx_sak, case.peer_sci[:6] + b"\0\7", 2)
    other_an = case.scapy_sa(case.rx_sak, case.peer_sci, 2, an=1)
    other_sak = case.scapy_sa(case.tx_sak, case.peer_sci, 2)
    stranger.pn = other_an.pn = other_sak.pn = sa.pn + 100
    old = case.scapy_sa(case.rx_sak, case.peer_sci, 2)
    old.pn = sa.pn - 1

    def fresh():
        return protected(case, sa, ip_packet)

    rows = [
        ("ICV altered", lambda: flip(fresh(), -1), "in_pkts_not_valid"),
        ("data altered", lambda: flip(fresh(), 60), "in_pkts_not_valid"),
        ("source address altered", lambda: flip(fresh(), 11), "in_pkts_not_valid"),
        ("PN altered", lambda: flip(fresh(), PN_OFFSET + 3, 0x40), "in_pkts_not_valid"),
        ("another SAK", lambda: protected(case, other_sak, ip_packet), "in_pkts_not_valid"),
        ("ICV cut short", lambda: fresh()[:-1], "in_pkts_not_valid"),
        ("version 1", lambda: flip(fresh(), TCI_OFFSET, 0x80), "in_pkts_bad_tag"),
        ("ES with an SCI", lambda: flip(fresh(), TCI_OFFSET, 0x40), "in_pkts_bad_tag"),
        ("cut inside the SecTAG", lambda: fresh()[:24], "in_pkts_bad_tag"),
        ("unknown SCI", lambda: protected(case, stranger, ip_packet), "in_pkts_no_sci"),
        ("AN without SA", lambda: protected(case, other_an, ip_packet), "in_pkts_not_using_sa"),
        ("an old PN", lambda: protected(case, old, ip_packet), "in_pkts_late"),
        ("plaintext", lambda: bytes(Ether(dst=case.mac, src=PEER_MAC) / Dot1Q(vlan=VLAN) / ip_packet),
         "in_pkts_no_tag"),
    ]
    if not case.xpn:  # with XPN it is the lower half of a longer number
        rows.append(("PN 0", lambda: fresh()[:PN_OFFSET] + bytes(4) + fresh()[PN_OFFSET + 4:],
                     "in_pkts_bad_tag"))
    for what, make, counter in rows:
        before = counters(case)
        wire.send(make())
        deadline = time.monotonic() + 3
        while (now := counters(case)) == before and time.monotonic() < deadline:
            time.sleep(0.01)
        moved = {name: now[name] - before[name] for name in now if now[name] != before[name]}
        # The sum of the 2018 edition moves along with what it sums.
        moved.pop("in_pkts_no_sa_error", None)
        expect_equal(moved, {counter: 1}, f"{what}: counters")
    wire.send(fresh())
    frames = receive(bench.host, 2, is_type(0x0800), 2.0)
    expect_equal(len(frames), 1, "packets at the host after all that: the good one alone")


def each(check, what):
    cases = []
    for case in CASES:
        def run(case=case):
            check(case)
        run.__name__ = f"{case.suite} {'encrypted' if case.encrypt else 'integrity only'}: {what}"
        cases.append(run)
    return cases


def before():
    bench.__enter__()
    for case in CASES:
        case.peer = case.scapy_sa(case.rx_sak, case.peer_sci, 2)


def nothing_is_unaccounted_for():
    for edge in bench.client.get("/v1/counters")["accounting"]:
        expect_equal(edge["unaccounted"], 0, "packets unaccounted for")


if __name__ == "__main__":
    tap.require_root()
    raise SystemExit(tap.run_cases(
        [*each(what_the_edge_sends, "what the edge sends"),
         *each(what_the_edge_accepts, "what it accepts"),
         *each(what_the_edge_refuses, "what it refuses"),
         nothing_is_unaccounted_for],
        before=before, after=lambda: bench.__exit__()))
