"""What isthmusd has acknowledged is there after it was killed at any moment, and nothing else is.

    test_durable.py ISTHMUSD [unittest's own arguments]

ISTHMUS_KILLS: how often one is killed; 200 if absent. ISTHMUS_SEED: of the first random load.
"""

import concurrent.futures
import http.client
import os
import random
import signal
import sys
import threading
import time
import unittest

from api_daemon import Daemon
from durable_load import Load, observed
from edge_case import run_tests

PROGRAM = None
AT_ONCE = 4  # daemons
KILLS = int(os.environ.get("ISTHMUS_KILLS", "200"))
SEED = int(os.environ.get("ISTHMUS_SEED", "0")) or random.randrange(1, 2**31)
MADE = "the change is made"  # 503: a worker was slow to confirm


def small(text):
    return text.replace("packet_buffers = 16384", "packet_buffers = 4096").replace(
        "memory_mb = 256", "memory_mb = 64")


class Killed:
    """One daemon, killed again and again under a load of its own."""

    def __init__(self, case, seed):
        self.case, self.seed = case, seed
        self.random = random.Random(seed)
        self.load = Load(self.random)
        self.daemon = Daemon(PROGRAM, state="state.db", edit=small, secrets=True)
        self.acknowledged = self.kept = 0
        self.starting = 0.0

    def change_until_killed(self):
        """The state with the change that was not acknowledged. By number, then by time: a slow
        machine does as much."""
        daemon = self.daemon
        killer = threading.Timer(self.random.uniform(0, 0.03), daemon.process.send_signal,
                                 (signal.SIGKILL,))
        acknowledged, before = 0, self.random.randrange(12)
        try:
            while True:
                if acknowledged == before:
                    killer.start()
                verb, path, body, edit = self.load.change()
                tried = self.load.tried(edit)
                try:
                    reply = daemon.call(verb, path, body)
                except (OSError, http.client.HTTPException):
                    return tried
                if reply.status >= 300:
                    self.case.assertIn(MADE, reply.text, f"{verb} {path} {body}")
                self.load.accept(edit)
                acknowledged += 1
        finally:
            self.acknowledged += acknowledged
            killer.join()
            daemon.process.wait(10)

    def run(self, kills):
        with self.daemon:
            for n in range(kills):
                tried = self.change_until_killed()
                begin = time.monotonic()
                self.daemon.start()
                self.starting += time.monotonic() - begin
                seen = observed(self.daemon.call)
                if seen == tried:
                    self.load.model = tried
                    self.kept += 1
                    continue
                self.case.assertEqual(seen, self.load.model,
                                      f"after kill {n + 1} of seed {self.seed}")


class Durable(unittest.TestCase):
    maxDiff = 4000

    def test_kills(self):
        """Several at once: each waits for its disk, and for its process to start, most of the
        time."""
        print(f"seeds {SEED}..{SEED + AT_ONCE - 1}, {KILLS} kills", flush=True)
        all_of_them = [Killed(self, SEED + n) for n in range(AT_ONCE)]
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            runs = [pool.submit(one.run, (KILLS + n) // AT_ONCE)
                    for n, one in enumerate(all_of_them)]
            for run in runs:
                run.result()
        acknowledged = sum(one.acknowledged for one in all_of_them)
        print(f"{acknowledged} changes acknowledged, {sum(one.kept for one in all_of_them)} of "
              f"{KILLS} last ones found, "
              f"{sum(one.starting for one in all_of_them) / KILLS:.3f} s to start", flush=True)
        self.assertGreater(acknowledged, KILLS)

    def test_a_clean_end_keeps_all(self):
        one = Killed(self, SEED)
        with one.daemon:
            for _ in range(100):
                verb, path, body, edit = one.load.change()
                reply = one.daemon.call(verb, path, body)
                self.assertTrue(reply.status < 300 or MADE in reply.text, reply.text)
                one.load.accept(edit)
            self.assertEqual(one.daemon.stop(), 0)
            one.daemon.start()
            self.assertEqual(observed(one.daemon.call), one.load.model)


if __name__ == "__main__":
    run_tests(sys.modules[__name__])
