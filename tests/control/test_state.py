"""What isthmusd remembers of packet numbers over restarts, and state files that it refuses.

    test_state.py ISTHMUSD [unittest's own arguments]
"""

import contextlib
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import unittest

from api_daemon import Daemon

PROGRAM = None
SAK, XPN_SAK = "5e" * 32, "5f" * 32
SALT, OTHER_SALT = "00112233445566778899aabb", "00112233445566778899aabc"
CHUNK = 2**24  # reserved at a time while little is sent


class StateTest(unittest.TestCase):
    def start(self, **options):
        daemon = Daemon(PROGRAM, state="state.db", **options).__enter__()
        self.addCleanup(daemon.__exit__)
        return daemon

    def post(self, daemon, path, status=201, **body):
        reply = daemon.call("POST", f"/edges/aws/channels/{path}", body)
        self.assertEqual(reply.status, status, reply.text)
        self.assertNotIn(SAK, reply.text)
        return reply

    def next_pn(self, daemon, channel, an=0):
        info = daemon.call("GET", f"/edges/aws/channels/{channel}").json
        return {sa["an"]: sa["next_pn"] for sa in info["tx_sas"]}[an]

    def database(self, daemon):
        with contextlib.closing(sqlite3.connect(daemon.state_path)) as database:
            return database.execute("SELECT * FROM packet_numbers ORDER BY lane").fetchall()


class Restart(StateTest):
    def test_clean_end_notes_exact_numbers(self):
        daemon = self.start()
        self.post(daemon, "ch1/tx-sas", an=0, sak=SAK, next_pn=1000)
        lower = self.post(daemon, "ch1/tx-sas", 409, an=1, sak=SAK, next_pn=5)
        self.assertEqual(lower.error["code"], "conflict")
        self.assertEqual(daemon.stop(), 0)
        ((_, lane, salt, first),) = self.database(daemon)
        self.assertRegex(lane, r"^sci:[0-9a-f]{16}$")
        self.assertEqual((salt, int(first, 16)), ("", 1000))
        daemon.start()
        refused = self.post(daemon, "ch1/tx-sas", 409, an=1, sak=SAK, next_pn=999)
        self.assertEqual(refused.error["field"], "next_pn")
        self.assertEqual(refused.error["value"], "999")
        self.assertEqual(refused.error["limit"], "at least 1000")
        self.post(daemon, "ch1/tx-sas", an=1, sak=SAK)
        self.assertEqual(self.next_pn(daemon, "ch1", 1), 1000)

    def test_after_kill_at_or_above_the_reservation(self):
        daemon = self.start()
        self.post(daemon, "ch1/tx-sas", an=0, sak=SAK)
        self.post(daemon, "ch3/tx-sas", an=0, sak=XPN_SAK, salt=SALT, ssci=7)
        daemon.process.send_signal(signal.SIGKILL)
        daemon.process.wait(10)
        daemon.start()
        self.post(daemon, "ch1/tx-sas", an=0, sak=SAK)
        self.assertEqual(self.next_pn(daemon, "ch1"), CHUNK + 1)
        refused = self.post(daemon, "ch3/tx-sas", 409, an=0, sak=XPN_SAK, salt=OTHER_SALT, ssci=7)
        self.assertEqual(refused.error["field"], "salt")
        self.post(daemon, "ch3/tx-sas", an=0, sak=XPN_SAK, salt=SALT, ssci=7)
        self.assertEqual(self.next_pn(daemon, "ch3"), CHUNK + 1)

    def test_removal_notes_exact_numbers(self):
        daemon = self.start()
        for _ in range(3):
            self.post(daemon, "ch1/tx-sas", an=0, sak=SAK, next_pn=77)
            done = daemon.call("DELETE", "/edges/aws/channels/ch1/tx-sas/0")
            self.assertEqual(done.status, 204, done.text)
        self.post(daemon, "ch1/tx-sas", 409, an=0, sak=SAK, next_pn=76)

    def test_file_is_private(self):
        daemon = self.start()
        self.assertEqual(daemon.call("GET", "/status").json["state"], daemon.state_path)
        self.assertEqual(stat.S_IMODE(os.stat(daemon.state_path).st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.dirname(daemon.state_path)).st_mode), 0o700)
        self.post(daemon, "ch1/tx-sas", an=0, sak=SAK)
        for name in os.listdir(os.path.dirname(daemon.state_path)):
            with open(os.path.join(os.path.dirname(daemon.state_path), name), "rb") as file:
                content = file.read()
            self.assertNotIn(bytes.fromhex(SAK), content)
            self.assertNotIn(SAK.encode(), content)

    def test_without_state_nothing_is_remembered(self):
        with Daemon(PROGRAM) as daemon:
            self.assertEqual(daemon.call("GET", "/status").json["state"], "none")
            self.post(daemon, "ch1/tx-sas", an=0, sak=SAK, next_pn=9)
            self.assertEqual(daemon.stop(), 0)
            daemon.start()
            self.post(daemon, "ch1/tx-sas", an=0, sak=SAK)
            self.assertEqual(self.next_pn(daemon, "ch1"), 1)


class Refusals(StateTest):
    def refused(self, daemon, *expected):
        done = subprocess.run(
            [PROGRAM, "--config", daemon.config], capture_output=True, timeout=60, check=False
        )
        output = done.stdout.decode() + done.stderr.decode()
        self.assertEqual(done.returncode, 1, output)
        for part in (daemon.state_path, *expected):
            self.assertIn(part, output)

    def ended(self):
        daemon = self.start()
        self.assertEqual(daemon.stop(), 0)
        return daemon

    def test_a_second_daemon(self):
        daemon = self.start()
        # With a socket of its own it would otherwise start.
        daemon.rewrite("socket", f'"{daemon.folder.name}/second.sock"')
        self.refused(daemon, "another process uses it")
        self.assertEqual(daemon.call("GET", "/status").status, 200)

    def test_a_newer_schema(self):
        daemon = self.ended()
        with contextlib.closing(sqlite3.connect(daemon.state_path)) as database:
            database.execute("PRAGMA user_version = 9")
        self.refused(daemon, "schema version 9", "knows 3")

    def test_a_file_that_is_none(self):
        daemon = self.ended()
        with open(daemon.state_path, "wb") as file:
            file.write(b"no database at all " * 100)
        self.refused(daemon, "damaged")

    def test_a_cut_file(self):
        daemon = self.start()
        self.post(daemon, "ch1/tx-sas", an=0, sak=SAK)
        self.assertEqual(daemon.stop(), 0)
        os.truncate(daemon.state_path, os.path.getsize(daemon.state_path) // 2 - 2000)
        self.refused(daemon, "damaged")

    def test_a_folder(self):
        daemon = self.ended()
        os.unlink(daemon.state_path)
        os.mkdir(daemon.state_path)
        self.refused(daemon, "directory")

    def test_a_place_that_cannot_be_written(self):
        daemon = self.ended()
        daemon.rewrite("state", '"/proc/isthmus/state.db"')
        daemon.state_path = "/proc/isthmus/state.db"
        self.refused(daemon, "cannot make the folder /proc/isthmus")

    def test_an_unwritable_file(self):
        if os.geteuid() == 0:
            self.skipTest("root writes everywhere")
        daemon = self.ended()
        os.chmod(os.path.dirname(daemon.state_path), 0o500)
        self.refused(daemon, "cannot be")
        os.chmod(os.path.dirname(daemon.state_path), 0o700)


def main():
    global PROGRAM
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()


if __name__ == "__main__":
    main()
