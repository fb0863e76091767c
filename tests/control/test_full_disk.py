"""A disk that takes nothing: changes are refused whole, packets and what is installed stay, and it goes
on by itself when there is room.

    test_full_disk.py ISTHMUSD [unittest's own arguments]
"""

import contextlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time

from api_daemon import Daemon
from edge_case import WAYS, EdgeCase, run_tests
from store_case import EDGE, PEER, StoreTest, attachment

PROGRAM = None
# What is written in several pages, and changed in several steps.
MANY_ROUTES = [{"prefix": f"30.{n >> 8}.{n & 255}.0/24", "via": "channels"} for n in range(2000)]


class FullDisk(StoreTest):
    """The same by a tiny file system and by a limit on the size of files."""

    def fill(self, daemon):
        path = os.path.join(os.path.dirname(daemon.state_path), "filler")
        with contextlib.suppress(OSError):
            with open(path, "wb", buffering=0) as file:
                while True:
                    file.write(b"x" * 4096)

    def on_a_tiny_disk(self):
        if os.geteuid() != 0:
            self.skipTest("mounting a tmpfs needs root")
        folder = tempfile.mkdtemp(prefix="isthmus-disk-")
        self.addCleanup(shutil.rmtree, folder, True)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder],
                                 capture_output=True, check=False)
        if mounted.returncode != 0:
            self.skipTest(f"no tmpfs can be mounted: {mounted.stderr.decode()}")
        self.addCleanup(subprocess.run, ["umount", "-l", folder], check=False)
        daemon = Daemon(self.program(), state="state.db", secrets=True)
        daemon.state_folder = folder
        daemon.__enter__()
        self.addCleanup(daemon.__exit__)
        return daemon

    def refuses_all(self, daemon):
        for verb, path, body in (
            ("POST", "/attachments", attachment("more", 5)),
            ("PUT", "/attachments/c1", attachment("c1", 3)),
            ("DELETE", "/attachments/c1", None),
            ("PATCH", "/attachments/c1/limits", {"egress": {"rate_bps": 5000000}}),
            ("PUT", "/attachments/c1/routes/10.9.0.0%2F16", {"via": "channels"}),
            ("PUT", "/attachments/c1/features/ch2", attachment("c1")["features"]["ch1"] | {
                "addresses": ["169.254.2.1/30"], "peer_ipv4": "169.254.2.2"}),
            ("PATCH", "/channels/ch1", {"admin_state": "down"}),
            ("PATCH", "/ports/aws-a", {"admin_state": "down"}),
            ("POST", "/channels/ch2/tx-sas", {"an": 0, "sak": "77" * 32}),
            ("DELETE", "/channels/ch1/tx-sas/1", None),
            ("DELETE", f"/channels/ch1/rx-scs/{PEER}", None),
            ("PATCH", "/attachments/c1/routes", {"add": MANY_ROUTES}),
            ("POST", "/apply", {"edges": [{
                "name": "aws",
                "ports": [{"name": "aws-b", "admin_state": "down"}],
                "channels": [{"name": "ch4", "admin_state": "drain", "rx_scs": [PEER]}],
                "attachments": [attachment("c1", 7) | {"routes": MANY_ROUTES},
                                attachment("c2", 1)],
            }]}),
        ):
            if path.endswith("features/ch2"):
                del body["peer_ipv6"]
            reply = daemon.call(verb, path if path == "/apply" else EDGE + path, body)
            self.assertEqual(reply.status, 507, f"{verb} {path}: {reply.text}")
            self.assertEqual(reply.error["code"], "no_storage")
            self.assertIn(daemon.state_path, reply.error["message"])

    def everything(self, daemon):
        found = [self.sas(daemon)]
        for kind in ("attachments", "ports", "channels"):
            for it in self.ok(daemon, "GET", f"/{kind}")[kind]:
                found.append([it["name"], it.get("admin_state"), it.get("vlan"),
                              it.get("features"), it.get("limits"), it.get("route_count"),
                              it.get("rx_scs") and [sc["sci"] for sc in it["rx_scs"]]])
        return found

    def check(self, daemon, fill, empty):
        self.ok(daemon, "POST", "/attachments", attachment("c1"))
        self.install_keys(daemon)
        before = self.everything(daemon)
        fill()
        self.refuses_all(daemon)
        self.assertEqual(self.everything(daemon), before)
        status = self.status(daemon)
        self.assertFalse(status["state_ok"])
        self.assertIn(daemon.state_path, status["state_problem"])
        empty()
        deadline = time.monotonic() + 10
        while not self.status(daemon)["state_ok"] and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertTrue(self.status(daemon)["state_ok"], "by itself")
        self.ok(daemon, "POST", "/attachments", attachment("more", 5))
        after = self.everything(daemon)
        self.kill(daemon)
        daemon.start()
        self.assertEqual(self.everything(daemon), after)

    def test_a_file_system_without_room(self):
        daemon = self.on_a_tiny_disk()
        filler = os.path.join(os.path.dirname(daemon.state_path), "filler")
        self.check(daemon, lambda: self.fill(daemon), lambda: os.unlink(filler))

    def test_it_starts_without_room(self):
        daemon = self.on_a_tiny_disk()
        self.ok(daemon, "POST", "/attachments", attachment("c1"))
        self.install_keys(daemon)
        before = self.everything(daemon)
        self.kill(daemon)
        self.fill(daemon)
        daemon.start()
        self.assertFalse(self.status(daemon)["state_ok"])
        self.assertEqual(self.everything(daemon), before)
        channel = self.ok(daemon, "GET", "/channels/ch1")
        self.assertIn("could be reserved", channel["reason"], "fail closed")
        os.unlink(os.path.join(os.path.dirname(daemon.state_path), "filler"))
        deadline = time.monotonic() + 10
        while channel["reason"] and time.monotonic() < deadline:
            time.sleep(0.1)
            channel = self.ok(daemon, "GET", "/channels/ch1")
        self.assertEqual(channel["reason"], "")
        self.assertTrue(self.status(daemon)["state_ok"])

    def test_a_limit_on_the_size_of_files(self):
        daemon = self.start()
        pid = daemon.process.pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        self.check(daemon, lambda: resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, hard)),
                   lambda: resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard)))


class ReadOnly(EdgeCase):
    """A file system that the kernel makes read-only under the daemon, as it does after an error of
    the disk."""

    def mounted(self):
        if os.geteuid() != 0:
            self.skipTest("mounting needs root")
        folder = tempfile.mkdtemp(prefix="isthmus-disk-")
        self.addCleanup(shutil.rmtree, folder, True)
        image = os.path.join(folder, "image")
        with open(image, "wb") as file:
            file.truncate(16 << 20)
        where = os.path.join(folder, "mounted")
        os.mkdir(where)
        for command in (["mkfs.ext4", "-q", "-O", "^has_journal", image],
                        ["mount", "-o", "loop,errors=remount-ro", image, where]):
            try:
                done = subprocess.run(command, capture_output=True, check=False)
            except FileNotFoundError:
                self.skipTest(f"there is no {command[0]}")
            if done.returncode != 0:
                self.skipTest(f"{command[0]}: {done.stderr.decode()}")
        self.addCleanup(subprocess.run, ["umount", "-l", where], check=False)
        source = subprocess.run(["findmnt", "-n", "-o", "SOURCE", where], capture_output=True,
                                check=True, text=True).stdout.strip()
        return image, where, f"/sys/fs/ext4/{os.path.basename(source)}/trigger_fs_error"

    def test_an_error_of_the_disk(self):
        image, where, trigger = self.mounted()
        if not os.path.exists(trigger):
            self.skipTest(f"there is no {trigger}")
        self.daemon = Daemon(PROGRAM, state="state.db", secrets=True)
        self.daemon.state_folder = where
        self.daemon.__enter__()
        self.addCleanup(self.daemon.__exit__)
        for edge, peer in WAYS:
            self.attach(edge, peer)
            self.secure("ch1", edge, peer)
        for edge, peer in WAYS:
            self.send(edge, peer, 5_000_000)
        self.wait_for(lambda: self.received("gcp") > 50, "packets cross")
        with open(trigger, "w", encoding="ascii") as file:
            file.write("1")
        refused = self.daemon.call("PUT", f"{EDGE}/attachments/c/routes/10.9.0.0%2F16",
                                   {"via": "channels"})
        self.assertEqual(refused.status, 507, refused.text)
        self.assertEqual(refused.error["code"], "no_storage")
        status = self.ok("GET", "/status")
        self.assertFalse(status["state_ok"])
        self.assertIn(self.daemon.state_path, status["state_problem"])
        before = self.received("gcp")
        self.wait_for(lambda: self.received("gcp") > before + 50, "packets go on")
        # After an error only a new mount makes it writable again.
        self.crash()
        subprocess.run(["umount", where], check=True)
        subprocess.run(["e2fsck", "-fy", image], check=False, capture_output=True)
        subprocess.run(["mount", "-o", "loop", image, where], check=True)
        self.daemon.start()
        self.assertTrue(self.ok("GET", "/status")["state_ok"])
        self.assertEqual(self.ok("GET", f"{EDGE}/attachments/c")["route_count"], 1)


if __name__ == "__main__":
    run_tests(sys.modules[__name__])
