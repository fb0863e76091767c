"""What test cases of usage records share."""

import contextlib
import datetime
import signal
import sqlite3
import time
import unittest

from api_daemon import Daemon

COUNTERS = ("egress_packets", "egress_bytes", "ingress_packets", "ingress_bytes")


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def with_usage(lines):
    return lambda text: text.replace("[[edge]]", f"[usage]\n{lines}\n[[edge]]", 1)


# One interval, unless the test runs at midnight.
DAILY = with_usage("interval_s = 86400\ncheckpoint_s = 1")
QUICK = with_usage("interval_s = 10\ncheckpoint_s = 1")


class UsageTest(unittest.TestCase):
    program = None

    def start(self, edit=QUICK):
        daemon = Daemon(self.program, state="state.db", edit=edit).__enter__()
        self.addCleanup(daemon.__exit__)
        return daemon

    def ok(self, daemon, verb, path, body=None):
        reply = daemon.call(verb, path, body)
        self.assertLess(reply.status, 300, f"{verb} {path}: {reply.text}")
        return reply.json

    def usage(self, daemon, query="", edge="aws"):
        return self.ok(daemon, "GET", f"/edges/{edge}/usage{query}")

    def records(self, daemon, query=""):
        records, after = [], ""
        while True:
            page = self.usage(daemon, f"?limit=10000{query}{after}")
            records += page["usage"]
            if page["next"] is None:
                return records
            after = f"&after={page['next']}"

    def kill(self, daemon):
        daemon.process.send_signal(signal.SIGKILL)
        daemon.process.wait(10)
        daemon.disconnect()

    def wait_for(self, condition, seconds_=20, what="what was waited for"):
        deadline = time.monotonic() + seconds_
        while not (found := condition()):
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.05)
        return found

    def metered(self, daemon):
        """Waits for a checkpoint of all that passed up to now."""
        now = time.time()
        self.wait_for(lambda: seconds(self.usage(daemon)["metered_to"]) > now)

    def check_chain(self, records):
        """No record overlaps, or counts what another one does: by edge and life."""
        last = {}
        keys = set()
        for record in records:
            self.assertNotIn((record["life"], record["interval"]), keys)
            keys.add((record["life"], record["interval"]))
            before = last.get(record["life"])
            self.assertLessEqual(record["from"], record["to"])
            for counter in COUNTERS:
                start = before[counter + "_total"] if before else 0
                self.assertEqual(record[counter + "_total"] - record[counter], start, record)
            if before:
                self.assertLess(before["interval"], record["interval"])
                self.assertLessEqual(before["to"], record["from"])
                self.assertFalse(before["open"])
            last[record["life"]] = record
        return last

    def sql(self, daemon, statements):
        with contextlib.closing(sqlite3.connect(daemon.state_path)) as database:
            database.executescript(statements)
