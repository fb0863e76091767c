"""What tests of the state file share: an attachment, keys, and a daemon that is ended and started."""

import contextlib
import signal
import sqlite3
import subprocess
import sys
import unittest

from api_daemon import Daemon

EDGE = "/edges/aws"
SAK, XPN_SAK, RX_SAK = "5e" * 32, "5f" * 32, "60" * 32
SALT = "00112233445566778899aabb"
PEER = "0200000000770001"


def attachment(name, number=0):
    return {
        "name": name,
        "port": "aws-a",
        "vlan": 1 + number,
        "addresses": ["10.1.0.1/24", "fd00:1::1/64"],
        "features": {
            "ch1": {
                "vlan": 1025 + number,
                "addresses": ["169.254.1.1/30", "fd00:ffff:1::1/64"],
                "peer_ipv4": "169.254.1.2",
                "peer_ipv6": "fd00:ffff:1::2",
            }
        },
        "limits": {"ingress": {"rate_bps": 1000000, "peak_bps": 2000000, "excess_dscp": 10}},
        "routes": [
            {"prefix": "10.2.0.0/16", "via": "channels"},
            {"prefix": "0.0.0.0/0", "via": "blackhole"},
            {"prefix": "2001:db8::/32", "via": "vpc", "next_hop": "fd00:1::9"},
        ],
    }


class StoreTest(unittest.TestCase):
    def program(self):
        """isthmusd, as the file of the test knows it."""
        return sys.modules[type(self).__module__].PROGRAM

    def start(self, secrets=True, **options):
        daemon = Daemon(self.program(), state="state.db", secrets=secrets, **options).__enter__()
        self.addCleanup(daemon.__exit__)
        return daemon

    def ok(self, daemon, verb, path, body=None):
        reply = daemon.call(verb, EDGE + path, body)
        self.assertLess(reply.status, 300, f"{verb} {path}: {reply.text}")
        return reply.json

    def install_keys(self, daemon):
        self.ok(daemon, "POST", "/channels/ch1/tx-sas", {"an": 1, "sak": SAK})
        self.ok(daemon, "POST", "/channels/ch3/tx-sas",
                {"an": 0, "sak": XPN_SAK, "salt": SALT, "ssci": 7})
        self.ok(daemon, "POST", "/channels/ch1/rx-scs", {"sci": PEER})
        self.ok(daemon, "POST", f"/channels/ch1/rx-scs/{PEER}/sas",
                {"an": 2, "sak": RX_SAK, "lowest_pn": 500, "in_use": False})

    def sas(self, daemon):
        found = []
        for channel in self.ok(daemon, "GET", "/channels")["channels"]:
            found += [(channel["name"], "tx", sa["an"]) for sa in channel["tx_sas"]]
            for sc in channel["rx_scs"]:
                found += [(channel["name"], sc["sci"], sa["an"], sa["lowest_pn"], sa["in_use"])
                          for sa in sc["sas"]]
        return found

    def status(self, daemon):
        return daemon.call("GET", "/status").json

    def kill(self, daemon):
        daemon.process.send_signal(signal.SIGKILL)
        daemon.process.wait(10)

    def run_program(self, daemon, *arguments):
        done = subprocess.run([self.program(), "--config", daemon.config, *arguments],
                              capture_output=True, timeout=60, check=False)
        return done.returncode, done.stdout.decode() + done.stderr.decode()

    def refused(self, daemon, *expected, arguments=()):
        code, output = self.run_program(daemon, *arguments)
        self.assertEqual(code, 1, output)
        for part in expected:
            self.assertIn(part, output)

    def forget(self, daemon, what, *expected):
        code, output = self.run_program(daemon, "--forget", what)
        self.assertEqual(code, 0, output)
        for part in expected:
            self.assertIn(part, output)

    def sql(self, daemon, statements):
        with contextlib.closing(sqlite3.connect(daemon.state_path)) as database:
            database.executescript(statements)

    def rewrite_config(self, daemon, old, new):
        with open(daemon.config, encoding="utf-8") as file:
            text = file.read()
        self.assertIn(old, text)
        with open(daemon.config, "w", encoding="utf-8") as file:
            file.write(text.replace(old, new))
