"""Starting and stopping isthmusd: what it refuses, what it leaves behind, several at once.

    test_start.py ISTHMUSD [unittest's own arguments]
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest

from api_daemon import Daemon, configuration
from edge_case import run_tests

PROGRAM = None
SAK = "5e" * 32


class Start(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="isthmus-start-")
        self.addCleanup(self.folder.cleanup)
        self.path = os.path.join(self.folder.name, "edge.toml")

    def run_with(self, text, *arguments):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(text)
        done = subprocess.run(
            [PROGRAM, "--config", self.path, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout.decode()

    def good(self):
        return configuration(os.path.join(self.folder.name, "isthmusd.sock"))

    def refused(self, text, *expected, arguments=()):
        code, output = self.run_with(text, *arguments)
        self.assertEqual(code, 1, output)
        for part in expected:
            self.assertIn(part, output)

    def test_check_starts_nothing(self):
        code, output = self.run_with(self.good(), "--check")
        self.assertEqual((code, "good" in output), (0, True), output)
        self.assertEqual(os.listdir(self.folder.name), ["edge.toml"])

    def test_check_refuses_with_file_and_line(self):
        bad = self.good().replace("memory_mb = 256", "memory_gb = 1")
        line = bad.split("\n").index("memory_gb = 1") + 1
        self.refused(bad, f"{self.path}:{line}:", "memory_gb", arguments=("--check",))
        engine = self.good() + '[macsec]\nengine = "quantum"\n'
        self.refused(engine, "macsec.engine", "quantum", arguments=("--check",))

    def test_a_port_that_fails_is_named(self):
        text = self.good().replace('device = "generator"', 'device = "net_nothing0,x=1"', 1)
        line = text.split("\n").index('device = "net_nothing0,x=1"') - 2
        self.refused(text, "port aws-a:", "net_nothing0,x=1", f"{self.path}:{line}:")
        text = self.good().replace('device = "generator"', 'device = "0000:ff:1f.7"', 1)
        self.refused(text, "port aws-a:", "0000:ff:1f.7")

    def test_an_af_xdp_port_that_cannot_be(self):
        for device, expected in (("xdp:nowhere0", "interface nowhere0 does not exist"),
                                 ("xdp:lo,speed=9", "'speed=9' is not allowed, expected mode="),
                                 ("xdp:", "'xdp:' is not allowed, expected xdp: and the name")):
            text = self.good().replace('device = "generator"', f'device = "{device}"', 1)
            if os.geteuid() != 0 and device == "xdp:nowhere0":
                expected = "CAP_"
            self.refused(text, f"{self.path}:", expected)

    def test_too_few_buffers_for_af_xdp(self):
        device = 'device = "net_af_xdp0,iface=nowhere0"'
        text = self.good().replace('device = "generator"', device, 1)
        text = text.replace("packet_buffers = 16384", "packet_buffers = 4096")
        self.refused(text, "packet_buffers", "4096", "8192")

    def test_a_second_queue_of_a_generator(self):
        one = 'device = "generator"'
        text = self.good().replace(one, one + "\nrx_workers = [0, 0]", 1)
        line = text.split("\n").index(one) - 2
        self.refused(text, f"{self.path}:{line}:", "rx_workers", "2 queues", "1 for a generator")

    def test_jumbo_is_refused_where_it_does_not_fit(self):
        self.refused(self.wide("net_af_xdp0,iface=nowhere0"), f"{self.path}:", "port aws-a:",
                     "AF_XDP", "3584", "9100", "9344")
        self.refused(self.wide("net_tap0,iface=isthmus-wide"), "port aws-a:", "9104 octets behind",
                     "net_tap carries at most 1504")
        many = self.wide("net_null0").replace("packet_buffers = 16384", "packet_buffers = 65536")
        self.refused(many, "memory_mb: 256", "65536 packet buffers", "9664 octets")

    def wide(self, device):
        """The first port as this device, with the largest MTU."""
        return self.good().replace('device = "generator"', f'device = "{device}"\nmtu = 9100', 1)

    def test_a_core_that_is_not_there(self):
        text = re.sub(r"worker_cores = \[\d+\]", "worker_cores = [1000]", self.good())
        self.refused(text, "worker_cores", "1000")

    def test_too_little_memory(self):
        text = self.good().replace("packet_buffers = 16384", "packet_buffers = 1048576")
        self.refused(text, "packet_buffers", "1048576", "memory_mb")

    def test_buffers_by_what_there_is_need_memory(self):
        # Every one of the four links may be full.
        text = self.good().replace("packet_buffers = 16384\n", "")
        text = text.replace("memory_mb = 256", "memory_mb = 64")
        self.refused(text, "memory_mb: 64 is too little, expected at least", "packet_buffers")

    def test_missing_file(self):
        code, output = self.run_with(self.good(), "--nonsense")
        self.assertEqual(code, 2, output)
        done = subprocess.run([PROGRAM, "--config", "/nowhere"], capture_output=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"/nowhere", done.stderr)


class Running(unittest.TestCase):
    def test_two_at_once_and_one_socket_for_one(self):
        with Daemon(PROGRAM) as first, Daemon(PROGRAM) as second:
            for daemon in (first, second):
                self.assertEqual(daemon.call("GET", "/status").status, 200)
            third = subprocess.run(
                [PROGRAM, "--config", first.config], capture_output=True, timeout=60, check=False
            )
            self.assertEqual(third.returncode, 1)
            self.assertIn(first.socket_path.encode(), third.stderr)
            self.assertEqual(first.call("GET", "/status").status, 200)
            self.assertEqual((first.stop(), second.stop()), (0, 0))

    def test_starts_again_after_kill(self):
        with Daemon(PROGRAM) as daemon:
            daemon.process.send_signal(signal.SIGKILL)
            daemon.process.wait(10)
            self.assertTrue(os.path.exists(daemon.socket_path))
            daemon.start()
            self.assertEqual(daemon.stop(), 0)

    def test_last_words_add_up(self):
        with Daemon(PROGRAM) as daemon:
            daemon.call("GET", "/status")
            self.assertEqual(daemon.stop(), 0)
            lines = [line for line in daemon.log().splitlines() if "accounting edge=" in line]
            self.assertEqual(len(lines), 2)
            for line in lines:
                self.assertIn(" unaccounted=0 ", line)

    def test_keys_stay_inside(self):
        with Daemon(PROGRAM) as daemon:
            path = "/edges/aws/channels/ch1"
            made = daemon.call("POST", path + "/tx-sas", {"an": 0, "sak": SAK})
            self.assertEqual(made.status, 201)
            for reply in (made, daemon.call("GET", path), daemon.call("GET", "/counters")):
                self.assertNotIn(SAK, reply.text)
            wrong = daemon.call("POST", path + "/tx-sas", {"an": 1, "sak": SAK[:-2]})
            self.assertEqual(wrong.status, 400)
            self.assertNotIn(SAK[:-2], wrong.text)
            with open(f"/proc/{daemon.process.pid}/limits", encoding="ascii") as limits:
                core = [line for line in limits if line.startswith("Max core file size")][0]
            self.assertEqual(core.split()[4:6], ["0", "0"], "no core file may hold keys")
            self.assertEqual(daemon.stop(), 0)
            self.assertNotIn(SAK, daemon.log())


if __name__ == "__main__":
    run_tests(sys.modules[__name__])
