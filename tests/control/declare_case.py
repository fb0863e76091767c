"""What the cases of test_declare.py share: a daemon for each, isthmusctl, and documents."""

import copy
import json
import os
import subprocess
import tempfile
import unittest

from api_daemon import Daemon

SAK = "00112233445566778899aabbccddeeff" * 2
OTHER_SAK = "5a" * 32


def attachment(name, side, **changes):
    """`side`: 1 of aws, 2 of gcp."""
    here, there = side, 3 - side
    spec = {
        "name": name,
        "port": ("aws-a", "gcp-a")[side - 1],
        "addresses": [f"10.{here}.0.1/24"],
        "features": {
            "ch1": {
                "vlan": 1025,
                "addresses": [f"169.254.1.{here}/30"],
                "peer_ipv4": f"169.254.1.{there}",
            }
        },
        "routes": [{"prefix": f"10.{there}.0.0/16", "via": "channels"}],
    }
    spec.update(changes)
    return spec


def on_vlan(spec, vlan):
    spec = copy.deepcopy(spec)
    spec["vlan"] = vlan
    spec["features"]["ch1"]["vlan"] = 1025 + vlan
    return spec


TOML = """\
[[edges]]
name = "aws"

[[edges.attachments]]
name = "acme"
port = "aws-a"
vlan = 100
addresses = ["10.1.0.1/24"]
limits.egress = { rate_bps = 300_000_000 }
routes = [
  { prefix = "10.2.0.0/16", via = "channels" },
  { prefix = "10.3.0.0/16", via = "vpc", next_hop = "10.1.0.9" },
]
neighbours = [{ address = "10.1.0.9", mac = "02:00:00:00:00:09" }]

[edges.attachments.features.ch1]
vlan = 1025
addresses = ["169.254.1.1/30"]
peer_ipv4 = "169.254.1.2"

[[edges.channels]]
name = "ch2"
admin_state = "drain"
rx_scs = ["0200000000020001"]
"""


class DeclareTest(unittest.TestCase):
    daemon_program = None  # set by test_declare.py
    ctl_program = None

    def setUp(self):
        self.daemon = Daemon(self.daemon_program).__enter__()
        self.addCleanup(self.daemon.__exit__)
        folder = tempfile.TemporaryDirectory(prefix="isthmus-declare-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, text, name="edge.toml", mode=0o600):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text if isinstance(text, str) else json.dumps(text))
        os.chmod(path, mode)
        return path

    def ctl(self, *arguments, code=0, **environment):
        done = subprocess.run(
            [self.ctl_program, *arguments],
            env={"ISTHMUS_SOCKET": self.daemon.socket_path, **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual(done.returncode, code, f"{arguments}: {done.stdout}{done.stderr}")
        for secret in (SAK, OTHER_SAK):
            self.assertNotIn(secret, done.stdout + done.stderr)
        return done.stdout if code in (0, 2) else done.stderr

    def get(self, path):
        reply = self.daemon.call("GET", path)
        self.assertEqual(reply.status, 200, reply.text)
        return reply.json

    def apply(self, edges, query="", status=200):
        reply = self.daemon.call("POST", "/apply" + query, {"edges": edges})
        self.assertEqual(reply.status, status, reply.text)
        return reply

    def generation(self):
        return self.get("/status")["generation"]
