"""An edge with an `xdp:` port on either side, packet sockets at the far ends of both, and what is
sent through it in each direction."""

import os
import socket
import subprocess
import sys
from contextlib import closing

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts"))
# pylint: disable=wrong-import-position
from bench_peers_feed import CHANNEL_MAC, HOST_MAC, PEER_MAC, VPC_MAC, frame
from isthmus_client import Client, segment

EDGE = "/v1/edges/e"
# (name, VPC VLAN, channel VLAN)
CUSTOMERS = (("tagged", 100, 1025), ("untagged", None, 1026))
REMOTE = "198.18.0.0/24"
SIZE = 200
# Behind addresses, TTL and checksums, which a router changes: ports and payload.
REST = 14 + 20


def octets(mac):
    return bytes.fromhex(mac.replace(":", ""))


def tag(data, vlan):
    return data if vlan is None else data[:12] + b"\x81\x00" + vlan.to_bytes(2, "big") + data[12:]


class XdpEdge:
    def __init__(self):
        self.near = [f"xe{os.getpid()}{side}" for side in "vc"]
        self.far = []
        for near in self.near:
            one = ["numrxqueues", "1", "numtxqueues", "1"]
            run("ip", "link", "add", near, *one, "type", "veth", "peer", "name", f"{near}f", *one)
            for name in (near, f"{near}f"):
                run("ip", "link", "set", name, "addrgenmode", "none")
                run("ip", "link", "set", name, "mtu", "1600", "up")
            far = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            far.bind((f"{near}f", 0))
            far.settimeout(0.2)
            self.far.append(far)

    def remove(self):
        for far in self.far:
            far.close()
        for near in self.near:
            subprocess.run(["ip", "link", "del", near], check=False)

    def configuration(self, folder):
        core = sorted(os.sched_getaffinity(0))[-1]
        return f"""
socket = "{folder}/sock"
state = "{folder}/state.db"
worker_cores = [{core}]
poll = "adaptive"
memory_mb = 256
allow_plaintext = true
[[edge]]
name = "e"
[[interconnect]]
name = "far"
[[port]]
name = "vpc"
device = "xdp:{self.near[0]}"
mac = "{VPC_MAC}"
[[port]]
name = "ch1"
device = "xdp:{self.near[1]}"
mac = "{CHANNEL_MAC}"
[[channel]]
name = "ch1"
port = "ch1"
capacity_mbps = 10000
protect_frames = false
validate_frames = "null"
"""

    def install(self, path):
        with closing(Client(path)) as client:
            self._install(client)

    @staticmethod
    def _install(client):
        for number, (name, vlan, channel_vlan) in enumerate(CUSTOMERS):
            peer = f"169.254.{number}.2"
            body = {"name": name, "port": "vpc", "addresses": ["10.255.0.1/24"]}
            if vlan is not None:
                body["vlan"] = vlan
            body["features"] = {
                "ch1": {"vlan": channel_vlan, "addresses": [f"169.254.{number}.1/30"],
                        "peer_ipv4": peer}
            }
            body["routes"] = [{"prefix": REMOTE, "via": "channels"}]
            client.call("POST", f"{EDGE}/attachments", body)
            neighbours = f"{EDGE}/attachments/{name}/neighbours"
            client.call("PUT", f"{neighbours}/{segment(peer)}",
                        {"mac": PEER_MAC, "channel": "ch1"})
            client.call("PUT", f"{neighbours}/{segment('10.255.0.2')}", {"mac": HOST_MAC})

    def steered(self, path):
        """What the programs have decided, by port and name."""
        with closing(Client(path)) as client:
            ports = client.get(f"{EDGE}/ports")["ports"]
        return {port["name"]: port["frames"] for port in ports}

    def passes(self):
        """Empty, or what did not pass."""
        for name, vlan, channel_vlan in CUSTOMERS:
            out = frame(0, SIZE)  # from 10.255.0.2 to 198.18.0.1
            back = octets(CHANNEL_MAC) + octets(PEER_MAC) + out[12:26] + out[30:34] + out[26:30]
            back += out[REST:]
            for way, data in (("egress", tag(out, vlan)), ("ingress", tag(back, channel_vlan))):
                here, there = self.far if way == "egress" else reversed(self.far)
                if not self._passes(here, there, data):
                    return f"{name}, {way}"
        return ""

    @staticmethod
    def _passes(here, there, data):
        for _ in range(10):
            here.send(data)
            try:
                while True:  # the kernel has taken the tag off
                    if there.recv(2048)[REST:] == data[-(SIZE - REST):]:
                        return True
            except TimeoutError:
                pass
        return False


def run(*command):
    subprocess.run(command, check=True)
