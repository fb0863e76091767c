"""The contestants of scripts/bench-ports: two ports of one kind, and who feeds and empties them.

The feeder runs on the other core. It is a testpmd, which reads a capture from memory for ever into
the far end of the first port and frees what comes out of the second one; or, for interfaces of the
kernel, a packet socket, and the kernel frees.
"""

import glob
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass

from bench_peers_process import Program
from bench_peers_programs import TESTPMD_IO, Isthmusd, Peer

_FREE = "net_null9,no-rx=1"


@dataclass(frozen=True)
class Kind:
    """Devices as they are written, {dir} is a folder for sockets. `isthmusd`: what differs there."""

    testpmd: tuple
    far: tuple = ()  # of the feeder
    isthmusd: tuple = ()
    feeder_first: bool = False
    interface: str = ""  # of the kernel, that the feed goes to

    def is_fed(self):
        return bool(self.far or self.interface)

    def devices(self, whose, folder, feed):
        texts = self.far if whose == "far" else self.testpmd
        if whose == "isthmusd" and self.isthmusd:
            texts = self.isthmusd
        return [text.format(dir=folder, feed=feed) for text in texts]


def _both(text):
    return tuple(text.replace("#", str(n)).replace("@", "ab"[n]) for n in (0, 1))


_MEMIF = _both("net_memif#,role=server,socket={dir}/@,socket-abstract=no,rsize=11")
_VHOST = _both("net_vhost#,iface={dir}/@")
_VIRTIO = _both("net_virtio_user#,path={dir}/@,queues=1,queue_size=1024")
_XDP = _both("net_af_xdp#,iface=near#,busy_budget=0")
_AF_PACKET = _both("net_af_packet#,iface=near#")

# In the order of the table.
KINDS = {
    "xdp": Kind(_XDP, isthmusd=_both("xdp:near#"), interface="far0"),
    "memif": Kind(_MEMIF, tuple(text.replace("server", "client") for text in _MEMIF)),
    "vhost": Kind(_VHOST, _VIRTIO),
    "virtio_user": Kind(_VIRTIO, _VHOST, feeder_first=True),
    "tap": Kind(_both("net_tap#,iface=tap#"), interface="tap0"),
    "af_packet": Kind(
        _AF_PACKET,
        isthmusd=tuple(f"{text},faults=accepted" for text in _AF_PACKET),
        interface="far0",
    ),
    "pcap": Kind(("{feed}", "net_pcap1,tx_pcap=/dev/null")),
}


def _ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


def make_interfaces():
    """Two veth pairs, in a namespace that ends with this process."""
    subprocess.run(["sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1"], check=True)
    one = ["numrxqueues", "1", "numtxqueues", "1"]
    for n in "01":
        _ip("link", "add", f"near{n}", *one, "type", "veth", "peer", "name", f"far{n}", *one)
        for name in (f"near{n}", f"far{n}"):
            _ip("link", "set", name, "mtu", "1600", "arp", "off", "up")


def _raise_taps():
    for path in glob.glob("/sys/class/net/tap*"):
        _ip("link", "set", os.path.basename(path), "mtu", "1504", "arp", "off", "up")


class DeviceFeeder(Peer):
    def __init__(self, setup, size, far):
        arguments = (*TESTPMD_IO, "--disable-link-check")
        devices = (setup.rx_device(setup.capture(size)), *far, _FREE)
        super().__init__(setup, "dpdk-testpmd", arguments, devices, "0@{main},1@{main}")

    def offered(self):
        return self.counters()[0]

    def await_packets(self):
        pass  # until the other side is there


class InterfaceFeeder(Program):
    def __init__(self, setup, size, interface):
        super().__init__(setup)
        feed = os.path.join(os.path.dirname(setup.peers), "bench", "feed_interface")
        self._command = ["taskset", "--cpu-list", str(setup.main_core), feed, interface]
        self._command.append(setup.capture(size))
        self._statistics = f"/sys/class/net/{interface}/statistics"

    def __enter__(self):
        # The kernel's threads, which carry the rest, need that core too.
        self.start(self._command, niceness=-5)
        return self

    def offered(self):
        total = 0
        for name in ("tx_packets", "tx_dropped"):
            with open(f"{self._statistics}/{name}", encoding="ascii") as file:
                total += int(file.read())
        return total


class Fed:
    """Mixed into a contestant: starts the feeder at the right time, and ends it."""

    def feed_by(self, kind, size, folder):
        self._kind = kind
        self._feeder = None
        if kind.interface:
            self._feeder = InterfaceFeeder(self.setup, size, kind.interface)
        elif kind.far:
            self._feeder = DeviceFeeder(self.setup, size, kind.devices("far", folder, ""))
        self._sockets = [os.path.join(folder, name) for name in "ab"]

    def __enter__(self):
        if self._kind.feeder_first:
            self._feeder.__enter__()
            self._feeder.wait_for("sockets", lambda: all(map(os.path.exists, self._sockets)))
        return super().__enter__()

    def await_packets(self):
        _raise_taps()
        if self._feeder is not None and not self._kind.feeder_first:
            self._feeder.__enter__()
        super().await_packets()
        if isinstance(self._feeder, DeviceFeeder):
            self._answer_at_once()

    def _answer_at_once(self):
        """Who tells the counters does not wait for the feeder."""
        tasks = f"/proc/{self._process.pid}/task"
        for thread in os.listdir(tasks):
            with open(f"{tasks}/{thread}/comm", encoding="utf-8") as file:
                if "worker" not in file.read():
                    os.sched_setscheduler(int(thread), os.SCHED_RR, os.sched_param(1))

    def offered(self):
        return self.counters()[0] if self._feeder is None else self._feeder.offered()

    def __exit__(self, *error):
        super().__exit__(*error)
        if self._feeder is not None:
            self._feeder.__exit__(*error)
            self._feeder = None


class Testpmd(Fed, Peer):
    def __init__(self, setup, size, kind, folder):
        feed = setup.rx_device(setup.capture(size))
        arguments = (*TESTPMD_IO, "--disable-link-check", "--record-core-cycles")
        devices = kind.devices("testpmd", folder, feed)
        super().__init__(setup, "dpdk-testpmd", arguments, devices, "0@{main},1@{worker}")
        self.feed_by(kind, size, folder)

    def cycles(self, _begin):
        """TSC cycles per packet of the calls that had packets. Ends the program, which tells only
        then."""
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        self._process.wait(10)
        found = re.search(r"CPU cycles/packet=([0-9.]+)", self.log(60))
        return float(found.group(1)) if found else None

    def busy(self):
        return None


class Edge(Fed, Isthmusd):
    def __init__(self, setup, size, kind, folder):
        super().__init__(setup, size, macsec=False)
        feed = setup.rx_device(setup.capture(size))
        self._written = kind.devices("isthmusd", folder, feed)
        self.feed_by(kind, size, folder)

    def _devices(self):
        return self._written

    def busy(self):
        """(cycles of all stages, packets), of the bursts that are timed."""
        stages = self.get("/v1/runtime")["workers"][0]["stages"]
        received = next(s["sampled_packets"] for s in stages if s["stage"] == "rx")
        return sum(s["sampled_cycles"] for s in stages), received

    def cycles(self, begin):
        """TSC cycles per packet of the rounds that had packets, since busy() was `begin`."""
        cycles, packets = (b - a for a, b in zip(begin, self.busy()))
        return cycles / packets if packets else None


CONTESTANTS = {"testpmd": Testpmd, "isthmusd": Edge}


def contestant(setup, name, kind, size):
    folder = tempfile.mkdtemp(dir=setup.folder)
    return CONTESTANTS[name](setup, size, KINDS[kind], folder)
