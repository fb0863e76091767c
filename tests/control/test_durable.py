"""What isthmusd has acknowledged is there after it was killed at any moment, and nothing else is.

    test_durable.py ISTHMUSD [unittest's own arguments]

ISTHMUS_KILLS: how often it is killed; 200 if absent. ISTHMUS_SEED: of the random load.
"""

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

PROGRAM = None
KILLS = int(os.environ.get("ISTHMUS_KILLS", "200"))
SEED = int(os.environ.get("ISTHMUS_SEED", "0")) or random.randrange(1, 2**31)
MADE = "the change is made"  # 503: a worker was slow to confirm


def small(text):
    return text.replace("packet_buffers = 16384", "packet_buffers = 4096").replace(
        "memory_mb = 256", "memory_mb = 64")


class Durable(unittest.TestCase):
    maxDiff = 4000

    def setUp(self):
        self.daemon = Daemon(PROGRAM, state="state.db", edit=small, secrets=True)
        self.daemon.__enter__()
        self.addCleanup(self.daemon.__exit__)
        self.random = random.Random(SEED)
        self.load = Load(self.random)

    def change_until_killed(self):
        """The state with the change that was not acknowledged, and how many were. By number, then
        by time: a slow machine does as much."""
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
                    return tried, acknowledged
                if reply.status >= 300:
                    self.assertIn(MADE, reply.text, f"{verb} {path} {body}")
                self.load.accept(edit)
                acknowledged += 1
        finally:
            killer.join()
            daemon.process.wait(10)

    def test_kills(self):
        print(f"seed {SEED}, {KILLS} kills", flush=True)
        acknowledged, kept, starting = 0, 0, 0.0
        for n in range(KILLS):
            tried, count = self.change_until_killed()
            acknowledged += count
            begin = time.monotonic()
            self.daemon.start()
            starting += time.monotonic() - begin
            seen = observed(self.daemon.call)
            if seen == tried:
                self.load.model = tried
                kept += 1
                continue
            self.assertEqual(seen, self.load.model, f"after kill {n + 1} of seed {SEED}")
        print(f"{acknowledged} changes acknowledged, {kept} of {KILLS} last ones found, "
              f"{starting / KILLS:.3f} s to start", flush=True)
        self.assertGreater(acknowledged, KILLS)

    def test_a_clean_end_keeps_all(self):
        for _ in range(100):
            verb, path, body, edit = self.load.change()
            reply = self.daemon.call(verb, path, body)
            self.assertTrue(reply.status < 300 or MADE in reply.text, reply.text)
            self.load.accept(edit)
        self.assertEqual(self.daemon.stop(), 0)
        self.daemon.start()
        self.assertEqual(observed(self.daemon.call), self.load.model)


def main():
    global PROGRAM
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()


if __name__ == "__main__":
    main()
