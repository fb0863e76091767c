"""isthmusd with real devices: what it tells of them, as whom it runs; and scripts/host-check."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from xdp_edge import XdpEdge

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DAEMON = PEER = ""
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all",
          "--bounding-set=-all"]
IS_ROOT = os.geteuid() == 0


def skip_without_root(reason):
    return unittest.skipUnless(IS_ROOT, reason)


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="isthmus-ports-")
        os.chmod(self.folder, 0o777)
        self.processes = []

    def tearDown(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        shutil.rmtree(self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, *devices, launcher=(), mtu=1400):
        core = sorted(os.sched_getaffinity(0))[-1]
        lines = [f'socket = "{self.path("sock")}"', 'state = "none"', f"worker_cores = [{core}]"]
        lines += ['poll = "adaptive"', "memory_mb = 256", "[[edge]]", 'name = "e"']
        for n, device in enumerate(devices):
            lines += ["[[port]]", f'name = "p{n}"', f'device = "{device}"', f"mtu = {mtu}"]
        return self.launch("\n".join(lines) + "\n", launcher)

    def launch(self, configuration, launcher=()):
        with open(self.path("toml"), "w", encoding="ascii") as file:
            file.write(configuration)
        with open(self.path("log"), "wb") as log:
            process = subprocess.Popen(
                [*launcher, DAEMON, "--config", self.path("toml")], stdout=log, stderr=log
            )
        self.processes.append(process)
        return process

    def log(self):
        with open(self.path("log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def await_log(self, pattern, count=1, seconds=60):
        deadline = time.monotonic() + seconds
        while len(re.findall(pattern, self.log())) < count:
            self.assertLess(time.monotonic(), deadline, f"no {pattern} x {count}:\n{self.log()}")
            time.sleep(0.1)

    def peer(self, device):
        process = subprocess.Popen([PEER, "--peer", device, "1436"], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        self.processes.append(process)
        return process

    def ends(self, process):
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(30), 0, self.log())


class Told(Case):
    def test_a_peer_that_goes_and_comes(self):
        device = f"socket={self.path('memif')},socket-abstract=no"
        daemon = self.start(f"net_memif0,role=client,{device}")
        self.await_log("ready:")
        for n in (1, 2):
            peer = self.peer(f"net_memif0,role=server,{device}")
            self.await_log("port e/p0: link up", n)
            peer.kill()
            self.await_log("port e/p0: link down", n)
        self.ends(daemon)

    @skip_without_root("only root makes TAP interfaces")
    def test_an_interface_that_is_changed_and_taken_away(self):
        name = f"it{os.getpid()}"
        daemon = self.start(f"net_tap0,iface={name}")
        self.await_log("ready:")
        subprocess.run(["ip", "link", "set", name, "mtu", "1300", "up"], check=True)
        self.await_log("port e/p0: its interface's MTU is now 1300, 1404 octets must fit: larger")
        subprocess.run(["ip", "link", "del", name], check=True)
        self.await_log("port e/p0: its device has been removed")
        self.await_log("port e/p0: link down")
        self.ends(daemon)

    def test_a_socket_that_a_killed_daemon_left(self):
        device = f"net_memif0,role=server,socket={self.path('m')},socket-abstract=no"
        for _ in range(2):
            daemon = self.start(device)
            self.await_log("ready:")
            daemon.kill()
            daemon.wait()
            self.assertTrue(os.path.exists(self.path("m")))

    def test_waiting_for_a_peer_can_be_ended(self):
        daemon = self.start(f"net_virtio_user0,path={self.path('v')},server=1")
        deadline = time.monotonic() + 60
        while not os.path.exists(self.path("v")):
            self.assertLess(time.monotonic(), deadline, self.log())
            time.sleep(0.1)
        daemon.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.wait(30), -signal.SIGTERM)


class Refused(Case):
    def refused(self, device, *words, mtu=1400):
        daemon = self.start(device, mtu=mtu)
        self.assertEqual(daemon.wait(60), 1, self.log())
        for word in words:
            self.assertIn(word, self.log())

    def test_what_would_change_packets(self):
        self.refused("net_af_packet0,iface=lo", "p0", "0x88a8", "faults=accepted")
        self.refused("net_vhost0,iface=/tmp/x,tso=1", "tso=1 is not supported")
        self.refused("net_af_packet0,iface=lo,faults=accepted,framesz=1024", "framesz 1024")

    @skip_without_root("only root makes TAP interfaces")
    def test_a_tap_that_is_too_narrow(self):
        self.refused("net_tap0,iface=isthmus-w", "1505 octets", "at most 1504", mtu=1501)

    def test_nics_in_use(self):
        self.refused("ffff:00:00.0", "PCI device ffff:00:00.0 does not exist")
        base = "/sys/bus/pci/devices"
        for address in os.listdir(base) if os.path.isdir(base) else []:
            with open(f"{base}/{address}/class", encoding="ascii") as file:
                network = file.read().startswith("0x02")
            driver = os.path.basename(os.path.realpath(f"{base}/{address}/driver"))
            if network and driver in ("virtio-pci", "ena", "e1000", "ixgbe"):
                self.refused(address, f"in use by the kernel's driver {driver}", "dpdk-devbind")


@skip_without_root("only root can become somebody else")
class PlainUser(Case):
    def test_ports_that_need_no_rights(self):
        path = self.path
        daemon = self.start(
            "generator", "wire:a", "wire:a",
            f"net_memif0,role=server,socket={path('m')},socket-abstract=no",
            f"net_vhost0,iface={path('v')}",
            f"net_pcap0,tx_pcap={path('out.pcap')}",
            launcher=NOBODY,
        )
        self.await_log("ready:")
        with open(f"/proc/{daemon.pid}/status", encoding="ascii") as status:
            text = status.read()
        self.assertRegex(text, r"(?m)^CapEff:\s*0+$")
        self.assertRegex(text, r"(?m)^Uid:\s*65534\s")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(path("sock"))
        self.ends(daemon)


@skip_without_root("only root has AF_XDP")
class XdpRestart(Case):
    def setUp(self):
        super().setUp()
        self.edge = XdpEdge()

    def tearDown(self):
        super().tearDown()
        self.edge.remove()

    def start_edge(self):
        daemon = self.launch(self.edge.configuration(self.folder))
        self.await_log("ready:")
        return daemon

    def test_a_killed_edge_forwards_again(self):
        daemon = self.start_edge()
        self.assertNotEqual(self.edge.passes(), "", "nothing is installed yet")
        self.edge.install(self.path("sock"))
        self.assertEqual(self.edge.passes(), "", self.log())
        for _ in range(2):
            daemon.kill()
            daemon.wait()
            # The kernel has its interfaces back, and the edge takes them again.
            daemon = self.start_edge()
            self.assertEqual(self.edge.passes(), "", self.log())
            steered = self.edge.steered(self.path("sock"))
            for port, verdict in (("vpc", "vlan"), ("vpc", "unicast"), ("ch1", "vlan")):
                self.assertGreater(steered[port][verdict], 0, f"{port} {verdict}: {steered}")
            self.assertEqual(steered["ch1"]["no_socket"], 0)
        self.ends(daemon)


class HostCheck(unittest.TestCase):
    def check(self, launcher):
        script = os.path.join(ROOT, "scripts", "host-check")
        with open(script, "rb") as text:
            done = subprocess.run([*launcher, "bash", "-s"], stdin=text, capture_output=True,
                                  timeout=60, check=False)
        output = done.stdout.decode()
        self.assertEqual((done.returncode, done.stderr), (0, b""), output)
        for section in ("CPU", "Memory", "Rights", "IOMMU", "Network devices", "AF_XDP"):
            self.assertIn(section, output)
        self.assertRegex(output, r"\d+ things to change\n$")
        host = re.escape(socket.gethostname())
        self.assertNotRegex(output, rf"(?<![\w.]){host}(?![\w.])")
        self.assertNotRegex(output, r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", "a MAC address")
        self.assertNotRegex(output, r"\d+\.\d+\.\d+\.\d+", "an IPv4 address")
        for name in os.listdir("/sys/class/net"):
            self.assertNotRegex(output, rf"\b{name}\b")
        return output

    def test_as_who_runs_this(self):
        self.check([])

    @skip_without_root("only root can become somebody else")
    def test_as_a_plain_user(self):
        self.assertIn("runs as a plain user", self.check(NOBODY))


def main():
    global DAEMON, PEER
    DAEMON, PEER = (os.path.abspath(sys.argv.pop(1)) for _ in range(2))
    unittest.main()


if __name__ == "__main__":
    main()
