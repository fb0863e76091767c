"""A small machine: two edges, four channels, packets of 1900 octets, ordinary pages.

    test_small.py ISTHMUSD [unittest's own arguments]
"""

import os
import re
import sys
import time
import unittest

from api_daemon import CHANNELS, SUITES, Daemon

PROGRAM = None
EDGES = {"aws": 1, "gcp": 2}
MOST_MIB = 512
PACKETS = 200_000  # that each side has to receive: more than there are buffers
IP_BYTES = 1900


def small(text):
    """Buffers as many as can be in use, and the largest packets."""
    text = text.replace("packet_buffers = 16384\n", "")
    return text.replace("[[port]]\n", f"[[port]]\nmtu = {IP_BYTES}\n")


def sak(edge, channel):
    digits = 32 if SUITES.get(channel) == "GCM-AES-128" else 64
    return f"{EDGES[edge]}{CHANNELS.index(channel)}" * (digits // 2)


class Small(unittest.TestCase):
    def ok(self, verb, path, body=None, status=200):
        reply = self.daemon.call(verb, path, body)
        self.assertEqual(reply.status, status, f"{verb} {path}: {reply.text}")
        return reply.json

    def secure(self, channel, edge, peer):
        xpn = {"salt": "5a" * 12, "ssci": EDGES[edge]} if "XPN" in SUITES.get(channel, "") else {}
        sa = {"an": 0, "sak": sak(edge, channel), **xpn}
        sender = self.ok("GET", f"/edges/{edge}/channels/{channel}")
        receiver = f"/edges/{peer}/channels/{channel}/rx-scs"
        for sc in sender["tx_scs"]:
            self.ok("POST", receiver, {"sci": sc["sci"]}, 201)
            self.ok("POST", f"{receiver}/{sc['sci']}/sas", sa, 201)
        self.ok("POST", f"/edges/{edge}/channels/{channel}/tx-sas", sa, 201)

    def attach(self, edge, peer):
        own, other = EDGES[edge], EDGES[peer]
        features = {}
        for number, channel in enumerate(CHANNELS):
            features[channel] = {
                "vlan": 1025,
                "mtu": IP_BYTES,
                "addresses": [f"169.254.{number}.{own}/30"],
                "peer_ipv4": f"169.254.{number}.{other}",
            }
        spec = {
            "name": "c",
            "port": f"{edge}-a",
            "mtu": IP_BYTES,
            "addresses": [f"10.{own}.0.1/24"],
            "features": features,
            "routes": [{"prefix": f"10.{other}.0.0/16", "via": "channels"}],
        }
        self.ok("POST", f"/edges/{edge}/attachments", spec, 201)

    def send(self, edge, peer, rate_bps):
        host, other = f"10.{EDGES[edge]}.0.2", f"10.{EDGES[peer]}.0.2"
        stream = {
            "source": host,
            "destination": other,
            "rate_bps": rate_bps,
            "sizes": [{"ip_bytes": IP_BYTES, "weight": 1}],
        }
        spec = {"tag": 7, "addresses": [host], "streams": [stream]}
        self.ok("PUT", f"/edges/{edge}/ports/{edge}-a/traffic", spec)

    def received(self, edge):
        report = self.ok("GET", f"/edges/{edge}/ports/{edge}-a/traffic")
        self.assertEqual((report["foreign_packets"], report["corrupt_packets"]), (0, 0))
        return report["received_packets"]

    def most_mib(self):
        with open(f"/proc/{self.daemon.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmHWM:\s+(\d+) kB", status.read())[1]) / 1024

    def test_fits_512_mib(self):
        with Daemon(PROGRAM, edit=small) as self.daemon:
            for edge, peer in (("aws", "gcp"), ("gcp", "aws")):
                self.attach(edge, peer)
                for channel in CHANNELS:
                    self.secure(channel, edge, peer)
            for edge, peer in (("aws", "gcp"), ("gcp", "aws")):
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


def main():
    global PROGRAM
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()


if __name__ == "__main__":
    main()
