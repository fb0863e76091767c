"""Metering for billing: what records of usage say, beside what the kernel saw of the packets, while
the daemon is stopped, and killed at random moments.

    test_usage_wire.py ISTHMUSD [unittest's own arguments]
"""

import os
import random
import sys
import time
import unittest

import usage_wire
from edge_case import run_tests
from usage_case import UsageTest, seconds

PROGRAM = None
KILLS = int(os.environ.get("ISTHMUS_USAGE_KILLS", "20"))
RATE = 5_000_000

def setUpModule():
    UsageTest.program = PROGRAM


@unittest.skipUnless(os.geteuid() == 0, "needs root: makes a pair of network interfaces")
class Wire(UsageTest):
    """Beside what the kernel saw of the packets."""

    def setUp(self):
        self.wire = usage_wire.Wire().__enter__()
        self.addCleanup(self.wire.__exit__)
        self.daemon = usage_wire.edge_on(PROGRAM, self.wire).__enter__()
        self.addCleanup(self.daemon.__exit__)
        usage_wire.make(self.daemon)
        # The host is known when packets come: the first ones do not wait for ARP.
        usage_wire.send(self.daemon, RATE)
        self.wait_for(lambda: self.wire.packets > 0, what="packets")
        self.metered(self.daemon)

    def totals(self):
        last = self.check_chain(self.records(self.daemon))
        self.assertEqual(len(last), 1)
        record = next(iter(last.values()))
        return record["egress_packets_total"], record["egress_bytes_total"], record

    def quiet(self):
        """All that was sent has come."""
        usage_wire.send(self.daemon, 0)
        def still():
            before = self.wire.packets
            time.sleep(0.3)
            return self.wire.packets == before
        self.wait_for(still)
        self.assertEqual(self.wire.lost(), 0, "the test could not read as fast as it was sent")

    def test_stopped_in_order_it_is_exact(self):
        for _ in range(3):
            time.sleep(random.uniform(0.2, 1.5))
            self.quiet()
            self.metered(self.daemon)
            self.assertEqual(self.totals()[:2], (self.wire.packets, self.wire.octets))
            usage_wire.send(self.daemon, RATE)
            time.sleep(random.uniform(0, 1))
            self.assertEqual(self.daemon.stop(), 0)
            time.sleep(0.3)
            self.daemon.start()
            packets, octets, record = self.totals()
            self.assertEqual((packets, octets), (self.wire.packets, self.wire.octets))
            self.assertEqual((record["unknown_ms"], record["unknown_from"]), (0, None))
            usage_wire.send(self.daemon, RATE)

    def test_killed_at_random_moments(self):
        shown = 0
        for number in range(KILLS):
            with self.subTest(kill=number):
                deadline = time.monotonic() + random.uniform(0.05, 2.5)
                while time.monotonic() < deadline:
                    octets = self.totals()[1]
                    # What was told once is on the disk: it is never taken back.
                    self.assertGreaterEqual(octets, shown)
                    shown = octets
                    told = seconds(self.usage(self.daemon)["metered_to"])
                    time.sleep(0.02)
                self.kill(self.daemon)
                time.sleep(0.3)
                self.daemon.start()
                self.assertGreaterEqual(self.totals()[1], shown)
                self.metered(self.daemon)  # that it was killed is known, and in the record
                packets, octets, _ = self.totals()
                self.assertGreaterEqual(octets, shown)
                self.assertLessEqual(octets, self.wire.octets)
                self.assertLessEqual(packets, self.wire.packets)
                # In one record, and from the last checkpoint that was told of, or before.
                marked = [r for r in self.records(self.daemon)
                          if r["unknown_to"] and seconds(r["unknown_to"]) >= told]
                self.assertEqual(len(marked), 1)
                self.assertFalse(marked[0]["complete"])
                self.assertGreater(marked[0]["unknown_ms"], 0)
                shown = octets
                usage_wire.send(self.daemon, RATE)
        self.assertIn("usage is unknown from", self.daemon.log())
        # What is missing is what passed in the times that are said to be unknown.
        self.quiet()
        self.metered(self.daemon)
        records = self.records(self.daemon)
        unknown_s = sum(record["unknown_ms"] for record in records) / 1000
        missing = self.wire.octets - self.totals()[1]
        self.assertGreater(missing, 0)
        self.assertLess(missing, RATE / 8 * unknown_s)
        self.assertEqual(self.daemon.stop(), 0)
        self.daemon.start()
        self.assertEqual(self.wire.octets - self.totals()[1], missing)


if __name__ == "__main__":
    run_tests(sys.modules[__name__])
