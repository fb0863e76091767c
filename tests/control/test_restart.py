"""Packets over a restart: an edge that was killed forwards again without a client, with packet
numbers that its peers understand and that no SAK has seen, and takes no frame for the second time.

    test_restart.py ISTHMUSD [unittest's own arguments]
"""

import os
import shutil
import struct
import sys
import time

from api_daemon import CHANNELS, Daemon
from edge_case import EDGES, WAYS, EdgeCase, run_tests

PROGRAM = None
ENOUGH = 50  # packets
# What a receiver can tell of an extended packet number is the lower half (10.6.2 of 802.1AE).
UNDERSTOOD_STEP = 2**31
WIRED = ("ch1", "ch3")  # ordinary and extended packet numbers
MACSEC = 0x88E5
NO_FRAMES = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)


class RestartCase(EdgeCase):
    def begin(self, edit=lambda text: text):
        self.daemon = Daemon(PROGRAM, state="state.db", secrets=True, edit=edit)
        self.daemon.__enter__()
        self.addCleanup(self.daemon.__exit__)

    def channel(self, edge, channel):
        return self.ok("GET", f"/edges/{edge}/channels/{channel}")

    def tx_sa(self, edge, channel):
        (sa,) = self.channel(edge, channel)["tx_sas"]
        return sa

    def rx(self, edge, channel, counter):
        (sc,) = self.channel(edge, channel)["rx_scs"]
        return sc[counter]


class Forwarding(RestartCase):
    def all_cross(self):
        """Flows on every channel, both ways."""
        for edge, peer in WAYS:
            self.send(edge, peer, 5_000_000, flows=64)
        for edge in EDGES:
            self.wait_for(lambda edge=edge: self.received(edge) > ENOUGH, f"nothing at {edge}")
            for channel in CHANNELS:
                self.wait_for(lambda way=(edge, channel): self.rx(*way, "in_pkts_ok") > 5,
                              f"{edge} {channel} receives nothing")

    def refused(self):
        return {(edge, channel, counter): self.rx(edge, channel, counter)
                for edge in EDGES for channel in CHANNELS
                for counter in ("in_pkts_late", "in_pkts_not_valid", "in_pkts_not_using_sa")}

    def test_all_that_was_there_forwards(self):
        self.begin()
        for edge, peer in WAYS:
            self.attach(edge, peer)
            for channel in CHANNELS:
                self.secure(channel, edge, peer)
        self.all_cross()
        path = "/v1/edges/aws/attachments/c"
        before = self.daemon.raw("GET", path)
        # The second time nothing has passed between two crashes.
        for crashes in (1, 3):
            reserved = {(edge, channel): self.tx_sa(edge, channel)["pn_limit"]
                        for edge in EDGES for channel in CHANNELS}
            for _ in range(crashes):
                self.crash()
                self.daemon.start()
            for way, limit in reserved.items():
                with self.subTest(channel=way, crashes=crashes):
                    sa = self.tx_sa(*way)
                    self.assertGreater(sa["next_pn"], limit, "every number is a new one")
                    self.assertLess(sa["next_pn"] - limit, UNDERSTOOD_STEP // 4)
                    self.assertGreater(sa["pn_limit"], sa["next_pn"])
                    self.assertTrue(self.channel(*way)["usable"])
            # The simulated hosts are part of the process; of the edges nothing is installed.
            self.all_cross()
            self.assertEqual({k: v for k, v in self.refused().items() if v}, {})
        after = self.daemon.raw("GET", path)
        for reply in (before, after):
            del reply.json["counters"]
        self.assertEqual(after.json, before.json)
        self.assertGreater(self.ok("GET", "/status")["generation"], 0)
        self.assertNotEqual(after.headers["ETag"], before.headers["ETag"], "of another run")
        late = self.daemon.raw("DELETE", path, headers={"If-Match": before.headers["ETag"]})
        self.assertEqual(late.status, 412, late.text)


class Replay(RestartCase):
    """The sender's frames go to a file, and from there into the receiver, as often as it starts."""

    def captures(self, text):
        files = os.path.join(os.path.dirname(self.socket_of(text)), "{}-{}.pcap")
        devices = [("aws", channel, "tx") for channel in WIRED]
        devices += [("gcp", channel, "rx") for channel in WIRED]
        for n, (edge, channel, way) in enumerate(devices):
            path = files.format(edge, channel)
            back = files.format(edge, channel + "-back")
            device = f"net_pcap{n},tx_pcap={path}"
            if way == "rx":
                with open(path, "wb") as file:
                    file.write(NO_FRAMES)
                device = f"net_pcap{n},rx_pcap={path},tx_pcap={back}"
            old = f'name = "{edge}-{channel}"\nedge = "{edge}"\ndevice = "wire:{channel}"\n'
            assert old in text
            text = text.replace(old, old.replace(f"wire:{channel}", device))
        return text

    @staticmethod
    def socket_of(text):
        return text.split('socket = "')[1].split('"')[0]

    def protected_frames(self, path):
        with open(path, "rb") as file:
            data = file.read()
        found, at = 0, 24
        while at + 16 <= len(data):
            captured = struct.unpack_from("<I", data, at + 8)[0]
            found += struct.unpack_from(">H", data, at + 16 + 12)[0] == MACSEC
            at += 16 + captured
        return found

    def test_frames_of_before_are_late(self):
        self.begin(self.captures)
        folder = os.path.dirname(self.daemon.socket_path)
        for channel in WIRED:
            self.ok("PATCH", f"/edges/gcp/ports/gcp-{channel}", {"admin_state": "down"})
            self.secure(channel, "aws", "gcp")
        self.attach("aws", "gcp")
        self.attach("gcp", "aws")
        for channel in WIRED:
            number = CHANNELS.index(channel)
            path = f"/edges/aws/attachments/c/neighbours/169.254.{number}.2"
            self.ok("PUT", path, {"mac": "02:00:00:00:00:09", "channel": channel}, 204)
        self.send("aws", "gcp", 5_000_000, flows=64)
        for channel in WIRED:
            self.wait_for(lambda c=channel: self.tx_sa("aws", c)["next_pn"] > ENOUGH, "frames sent")
        self.send("aws", "gcp", None)
        self.assertEqual(self.daemon.stop(), 0)
        frames = {}
        for channel in WIRED:
            sent = os.path.join(folder, f"aws-{channel}.pcap")
            frames[channel] = self.protected_frames(sent)
            self.assertGreaterEqual(frames[channel], ENOUGH)
            shutil.copy(sent, os.path.join(folder, f"gcp-{channel}.pcap"))
        self.daemon.start()
        for channel, count in frames.items():
            self.ok("PATCH", f"/edges/gcp/ports/gcp-{channel}", {"admin_state": "up"})
            self.wait_for(lambda c=channel, n=count: self.rx("gcp", c, "in_pkts_ok") == n,
                          f"{channel}: all {count} frames are good the first time")
        time.sleep(1.5)  # how far an SA has come is noted every second
        self.crash()
        self.daemon.start()
        for channel, count in frames.items():
            self.wait_for(lambda c=channel, n=count: self.rx("gcp", c, "in_pkts_late") == n,
                          f"{channel}: all {count} frames are late the second time")
            self.assertEqual(self.rx("gcp", channel, "in_pkts_ok"), 0)


if __name__ == "__main__":
    run_tests(sys.modules[__name__])
