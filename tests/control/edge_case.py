"""What test cases share that drive one edge of a daemon: its program, and an interconnect with
packets."""

import os
import signal
import sys
import time
import unittest

from api_daemon import CHANNELS, SUITES

EDGES = {"aws": 1, "gcp": 2}
WAYS = (("aws", "gcp"), ("gcp", "aws"))


def run_tests(module, names=("PROGRAM",)):
    """unittest.main() of a test file: its first arguments are programs, which `module` knows by
    `names`."""
    for name in names:
        setattr(module, name, os.path.abspath(sys.argv.pop(1)))
    unittest.main(module)


def sak(edge, channel):
    digits = 32 if SUITES.get(channel) == "GCM-AES-128" else 64
    return f"{EDGES[edge]}{CHANNELS.index(channel)}" * (digits // 2)


class EdgeCase(unittest.TestCase):
    """With `daemon`: an interconnect of one customer, and simulated hosts that send."""

    daemon = None
    ip_bytes = 500

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
                "mtu": max(self.ip_bytes, 1500),
                "addresses": [f"169.254.{number}.{own}/30"],
                "peer_ipv4": f"169.254.{number}.{other}",
            }
        spec = {
            "name": "c",
            "port": f"{edge}-a",
            "mtu": max(self.ip_bytes, 1500),
            "addresses": [f"10.{own}.0.1/24"],
            "features": features,
            "routes": [{"prefix": f"10.{other}.0.0/16", "via": "channels"}],
        }
        self.ok("POST", f"/edges/{edge}/attachments", spec, 201)

    def send(self, edge, peer, rate_bps, flows=1):
        host, other = f"10.{EDGES[edge]}.0.2", f"10.{EDGES[peer]}.0.2"
        stream = {
            "source": host,
            "destination": other,
            "rate_bps": rate_bps,
            "flows": flows,
            "sizes": [{"ip_bytes": self.ip_bytes, "weight": 1}],
        }
        spec = {"tag": 7, "addresses": [host], "streams": [stream] if rate_bps is not None else []}
        self.ok("PUT", f"/edges/{edge}/ports/{edge}-a/traffic", spec)

    def received(self, edge):
        report = self.ok("GET", f"/edges/{edge}/ports/{edge}-a/traffic")
        self.assertEqual((report["foreign_packets"], report["corrupt_packets"]), (0, 0))
        return report["received_packets"]

    def crash(self):
        self.daemon.process.send_signal(signal.SIGKILL)
        self.daemon.process.wait(10)

    def wait_for(self, condition, what, seconds=20):
        deadline = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.05)
