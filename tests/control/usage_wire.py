"""An edge whose only channel is a veth pair in clear, and a count of what came out of it that is
none of the daemon's: frames that the kernel gave to a socket at the other end."""

import os
import socket
import struct
import subprocess
import threading

from api_daemon import Daemon

ETH_P_ALL = 3
SO_RCVBUFFORCE = 33
DESTINATION = "10.2.0.2"
IP_BYTES = 500
HOST_MAC = "02:00:00:00:00:99"


def channel_on(interface):
    """The configuration of api_daemon.py with one edge, and one channel on an interface."""
    def edit(text):
        cores = sorted(os.sched_getaffinity(0))
        head = text.split("[[edge]]")[0]
        for old in text.splitlines():
            if old.startswith("worker_cores"):
                head = head.replace(old, f"worker_cores = [{cores[-1]}]\nallow_plaintext = true")
        return head + f"""
[usage]
interval_s = 10
checkpoint_s = 1
[[edge]]
name = "aws"
[[interconnect]]
name = "to-gcp"
edge = "aws"
[[port]]
name = "aws-a"
edge = "aws"
device = "generator"
[[port]]
name = "aws-ch1"
edge = "aws"
device = "net_af_packet0,iface={interface},faults=accepted"
[[channel]]
name = "ch1"
edge = "aws"
port = "aws-ch1"
protect_frames = false
validate_frames = "null"
"""
    return edit


class Wire:
    """A veth pair; counts IPv4 packets to DESTINATION that leave the edge by it."""

    def __init__(self):
        self.near, self.far = (f"us{os.getpid() % 100000}{side}" for side in "ab")
        self.packets = self.octets = 0
        self.ended = False

    def __enter__(self):
        self.ip("link", "add", self.near, "type", "veth", "peer", "name", self.far)
        try:
            for name in (self.near, self.far):
                with open(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", "w",
                          encoding="ascii") as file:
                    file.write("1")
                self.ip("link", "set", name, "mtu", "1600", "up")
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
            self.socket.bind((self.far, 0))
            self.socket.settimeout(0.2)
            self.thread = threading.Thread(target=self.read, daemon=True)
            self.thread.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.ended = True
        if hasattr(self, "thread"):
            self.thread.join()
            self.socket.close()
        self.ip("link", "del", self.near)

    def ip(self, *arguments):
        subprocess.run(["ip", *arguments], check=True, capture_output=True)

    def read(self):
        wanted = socket.inet_aton(DESTINATION)
        while not self.ended:
            try:
                frame, where = self.socket.recvfrom(2048)
            except OSError:
                continue
            at = 14
            if frame[12:14] == b"\x81\x00":
                at = 18
            if where[2] == socket.PACKET_OUTGOING or frame[at - 2 : at] != b"\x08\x00":
                continue
            if frame[at + 16 : at + 20] == wanted:
                self.octets += struct.unpack("!H", frame[at + 2 : at + 4])[0]
                self.packets += 1

    def lost(self):
        """Frames that the kernel could not give to the socket."""
        return struct.unpack("II", self.socket.getsockopt(263, 6, 8))[1]


def attachment(name="acme"):
    return {
        "name": name,
        "port": "aws-a",
        "addresses": ["10.1.0.1/24"],
        "features": {"ch1": {"vlan": 1025, "addresses": ["169.254.1.1/30"],
                             "peer_ipv4": "169.254.1.2"}},
        "routes": [{"prefix": "10.2.0.0/16", "via": "channels"}],
    }


def make(daemon, name="acme"):
    reply = daemon.call("POST", "/edges/aws/attachments", attachment(name))
    assert reply.status == 201, reply.text
    reply = daemon.call("PUT", f"/edges/aws/attachments/{name}/neighbours/169.254.1.2",
                        {"mac": HOST_MAC, "channel": "ch1"})
    assert reply.status == 204, reply.text


def send(daemon, rate_bps):
    stream = {"source": "10.1.0.2", "destination": DESTINATION, "rate_bps": rate_bps,
              "sizes": [{"ip_bytes": IP_BYTES}]}
    spec = {"tag": 1, "addresses": ["10.1.0.2"], "streams": [stream] if rate_bps else []}
    reply = daemon.call("PUT", "/edges/aws/ports/aws-a/traffic", spec)
    assert reply.status == 200, reply.text


def edge_on(program, wire):
    return Daemon(program, state="state.db", edit=channel_on(wire.near))
