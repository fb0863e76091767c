"""The daemon's log in systemd's journal: a journald of the test's own, in a mount namespace.

    test_journal.py ISTHMUSD [unittest's own arguments]
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import unittest

from api_case import SAK256
from api_daemon import Daemon

PROGRAM = None
INSIDE = "ISTHMUS_TEST_JOURNAL"
JOURNALD = "/lib/systemd/systemd-journald"
SOCKET = "/run/systemd/journal/socket"
FOLDER = "/run/log/journal"
KIND = "ISTHMUS_EVENT"


def wait_for(what, found, seconds=20):
    deadline = time.monotonic() + seconds
    while not (it := found()):
        if time.monotonic() > deadline:
            raise AssertionError(f"no {what} after {seconds} s")
        time.sleep(0.05)
    return it


class Journal(unittest.TestCase):
    def setUp(self):
        os.makedirs(FOLDER, exist_ok=True)
        self.start_journald()

    def tearDown(self):
        self.journald.send_signal(signal.SIGCONT)
        self.stop_journald()

    def start_journald(self):
        self.journald = subprocess.Popen([JOURNALD], stdin=subprocess.DEVNULL,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(SOCKET, lambda: os.path.exists(SOCKET))

    def stop_journald(self):
        self.journald.terminate()
        self.journald.wait(20)
        os.unlink(SOCKET)

    def entries(self, daemon):
        out = subprocess.run(
            ["journalctl", "--directory", FOLDER, "--output", "json", "--all", "--no-pager",
             f"_PID={daemon.process.pid}"], capture_output=True, text=True, timeout=20, check=True)
        return [json.loads(line) for line in out.stdout.splitlines()]

    def wait_for_kind(self, daemon, kind):
        return wait_for(kind, lambda: [entry for entry in self.entries(daemon)
                                       if entry.get(KIND) == kind])

    def daemon(self, log="journald"):
        edit = (lambda text: f'log = "{log}"\n{text}') if log else (lambda text: text)
        daemon = Daemon(PROGRAM, edit=edit).__enter__()
        self.addCleanup(daemon.__exit__)
        return daemon

    def set_port(self, daemon, state, times=1):
        for _ in range(times):
            reply = daemon.call("PATCH", "/edges/aws/ports/aws-a", {"admin_state": state})
            self.assertEqual(reply.status, 200, reply.text)

    def test_events_have_fields(self):
        daemon = self.daemon()
        self.set_port(daemon, "down")
        reply = daemon.call("POST", "/edges/aws/channels/ch1/tx-sas", {"an": 0, "sak": SAK256[0]})
        self.assertEqual(reply.status, 201, reply.text)
        entry, = self.wait_for_kind(daemon, "port_admin")
        told, = [event for event in daemon.call("GET", "/events").json["events"]
                 if event["kind"] == "port_admin"]
        self.assertEqual(
            {name: entry[name] for name in entry
             if name.startswith(("ISTHMUS", "SYSLOG", "MESSAGE", "PRIORITY"))},
            {"MESSAGE": "port aws/aws-a was set down", "PRIORITY": "5", "SYSLOG_FACILITY": "3",
             "SYSLOG_IDENTIFIER": "isthmusd", KIND: "port_admin", "ISTHMUS_OBJECT_KIND": "port",
             "ISTHMUS_OBJECT": "aws/aws-a", "ISTHMUS_REASON": "down",
             "ISTHMUS_SEQUENCE": str(told["sequence"]), "ISTHMUS_TIME_US": str(told["time_us"]),
             "ISTHMUS_GENERATION": str(told["generation"])})
        self.wait_for_kind(daemon, "sa_installed")
        lines = [entry["MESSAGE"] for entry in self.entries(daemon)]
        self.assertTrue(any(line.startswith("ready: ") for line in lines), lines)
        self.assertNotIn(SAK256[0], json.dumps(self.entries(daemon)))
        self.assertNotIn("isthmusd: ", daemon.log())

    def test_a_journald_that_stands_still_holds_nothing_up(self):
        daemon = self.daemon()
        self.wait_for_kind(daemon, "daemon_start")
        self.journald.send_signal(signal.SIGSTOP)
        with open("/proc/sys/net/unix/max_dgram_qlen", encoding="ascii") as file:
            many = int(file.read()) + 50
        self.set_port(daemon, "down", many)
        self.journald.send_signal(signal.SIGCONT)
        self.set_port(daemon, "up")
        wait_for("word of lost lines", lambda: [
            entry for entry in self.entries(daemon)
            if "lines of the log were lost" in entry["MESSAGE"] and entry["PRIORITY"] == "4"])

    def test_another_journald_and_none(self):
        daemon = self.daemon()
        self.stop_journald()
        self.set_port(daemon, "down")
        wait_for("text", lambda: "isthmusd: port aws/aws-a was set down" in daemon.log())
        self.start_journald()
        self.set_port(daemon, "up")
        self.wait_for_kind(daemon, "port_admin")

    def test_automatic(self):
        """The log file of the test stands for the stream that systemd makes."""
        daemon = self.daemon(log=None)
        wait_for("text", lambda: "isthmusd: ready: " in daemon.log())
        daemon.stop()
        about = os.stat(daemon.log_path)
        os.environ["JOURNAL_STREAM"] = f"{about.st_dev}:{about.st_ino}"
        try:
            daemon.start()
        finally:
            del os.environ["JOURNAL_STREAM"]
        self.wait_for_kind(daemon, "daemon_start")

    def test_a_check_talks_to_who_has_typed_it(self):
        daemon = self.daemon()
        daemon.stop()
        checked = subprocess.run([PROGRAM, "--config", daemon.config, "--check"],
                                 capture_output=True, text=True, timeout=20, check=True)
        self.assertIn("isthmusd.toml: good", checked.stderr)


def skip(why):
    print(f"1..0 # SKIP no journald here: {why}")
    sys.exit(0)


def enter():
    """The test again, in a mount namespace with a /run of its own."""
    if os.geteuid() != 0:
        skip("needs root")
    for needed in (JOURNALD, shutil.which("journalctl") or "journalctl", "/etc/machine-id"):
        if not os.path.exists(needed):
            skip(f"{needed} is missing")
    words = ["unshare", "--mount", "--propagation", "private"]
    probe = subprocess.run([*words, "mount", "-t", "tmpfs", "none", "/run"], capture_output=True,
                           text=True, check=False)
    if probe.returncode:
        skip(probe.stderr.strip())
    os.environ[INSIDE] = "1"
    os.execvp(words[0], [*words, sys.executable, *sys.argv])


def main():
    global PROGRAM
    if INSIDE not in os.environ:
        enter()
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()


if __name__ == "__main__":
    main()
