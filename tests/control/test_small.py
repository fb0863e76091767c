"""A small machine: two edges, four channels, packets of 1900 octets, ordinary pages.

    test_small.py ISTHMUSD [unittest's own arguments]
"""

import re
import sys
import time

from api_daemon import CHANNELS, Daemon
from edge_case import EDGES, WAYS, EdgeCase, run_tests

PROGRAM = None
MOST_MIB = 512
PACKETS = 200_000  # that each side has to receive: more than there are buffers
IP_BYTES = 1900


def small(text):
    """Buffers as many as can be in use, and the largest packets."""
    text = text.replace("packet_buffers = 16384\n", "")
    return text.replace("[[port]]\n", f"[[port]]\nmtu = {IP_BYTES}\n")


class Small(EdgeCase):
    ip_bytes = IP_BYTES

    def most_mib(self):
        with open(f"/proc/{self.daemon.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmHWM:\s+(\d+) kB", status.read())[1]) / 1024

    def test_fits_512_mib(self):
        with Daemon(PROGRAM, edit=small) as self.daemon:
            for edge, peer in WAYS:
                self.attach(edge, peer)
                for channel in CHANNELS:
                    self.secure(channel, edge, peer)
            for edge, peer in WAYS:
                self.send(edge, peer, 0)
            deadline = time.monotonic() + 60
            while min(self.received(edge) for edge in EDGES) < PACKETS:
                self.assertLess(time.monotonic(), deadline, "too few packets arrive")
                time.sleep(0.2)
            used = self.most_mib()
            pools = [line for line in self.daemon.log().splitlines() if "packet pool" in line]
            print(f"resident at most: {used:.0f} MiB\n" + "\n".join(pools), file=sys.stderr)
            self.assertEqual(len(pools), 1)
            self.assertLess(used, MOST_MIB)
            self.assertEqual(self.daemon.stop(), 0)
            for line in self.daemon.log().splitlines():
                if "accounting edge=" in line:
                    self.assertIn(" unaccounted=0 ", line)


if __name__ == "__main__":
    run_tests(sys.modules[__name__])
