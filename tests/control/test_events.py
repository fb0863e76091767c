"""Events, the stream of them, and the audit log of a running daemon.

    test_events.py ISTHMUSD ISTHMUSCTL [unittest's own arguments]
"""

import json
import os
import stat
import subprocess
import sys
import time
import unittest

from api_case import SAK256, attachment
from api_daemon import Daemon, UnixConnection

PROGRAM = CTL = None


class Stream:
    """One reader of /v1/watch."""

    def __init__(self, daemon, path="/v1/watch", headers=None):
        self.connection = UnixConnection(daemon.socket_path)
        self.connection.request("GET", path, headers=headers or {})
        self.reply = self.connection.getresponse()

    def next(self):
        """The next event: its fields; None at the end."""
        fields = {}
        for raw in self.reply:
            line = raw.decode().rstrip("\n")
            if not line and "event" in fields:
                return fields
            name, _, value = line.partition(": ")
            if name:
                fields[name] = value
        return None

    def until(self, kind):
        while (event := self.next()) is not None:
            if event["event"] == kind:
                return event
        raise AssertionError(f"the stream ended without {kind}")

    def close(self):
        self.reply.close()
        self.connection.close()


class Events(unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon(PROGRAM, state="state.db").__enter__()
        self.addCleanup(self.daemon.__exit__)

    def call(self, verb, path, body=None, status=200):
        reply = self.daemon.call(verb, path, body)
        self.assertEqual(reply.status, status, reply.text)
        return reply.json

    def kinds(self):
        return [event["kind"] for event in self.call("GET", "/events")["events"]]

    def wait_for(self, kind):
        deadline = time.monotonic() + 10
        while kind not in self.kinds():
            self.assertLess(time.monotonic(), deadline, f"no {kind}: {self.kinds()}")
            time.sleep(0.1)

    def test_events_of_changes(self):
        self.assertIn("daemon_start", self.kinds())
        self.call("POST", "/edges/aws/attachments", attachment(), 201)
        path = "/edges/aws/attachments/c1"
        self.call("PATCH", path + "/limits", {"egress": {"rate_bps": 350 * 10**9}})
        self.call("PATCH", path + "/limits", {"egress": {"rate_bps": 500 * 10**9}}, 400)
        self.call("PUT", path + "/neighbours/10.1.0.9", {"mac": "02:00:00:00:00:09"}, 204)
        feature = attachment()["features"]["ch1"]
        self.call("PUT", path + "/features/ch1", {**feature, "mtu": 1400})
        self.call("DELETE", path + "/routes/10.2.0.0%2F16", status=204)
        self.call("PATCH", "/edges/aws/channels/ch2", {"admin_state": "down"})
        self.wait_for("capacity_short")
        self.call("PATCH", "/edges/aws/channels/ch2", {"admin_state": "up"})
        self.wait_for("capacity_restored")
        sas = "/edges/aws/channels/ch1/tx-sas"
        self.call("POST", sas, {"an": 0, "sak": SAK256[0]}, 201)
        self.wait_for("channel_up")
        self.call("DELETE", sas + "/0", status=204)
        self.wait_for("channel_down")
        self.call("DELETE", path, status=204)
        events = self.call("GET", "/events")["events"]
        found = {(event["kind"], event["object"]) for event in events}
        for wanted in (
            ("attachment_added", "aws/c1"), ("attachment_changed", "aws/c1"),
            ("routes_changed", "aws/c1"), ("attachment_removed", "aws/c1"),
            ("channel_admin", "aws/ch2"), ("sa_installed", "aws/ch1/0"),
            ("sa_retired", "aws/ch1/0"), ("channel_down", "aws/ch1"),
            ("capacity_short", "aws/to-gcp"),
        ):
            self.assertIn(wanted, found)
        reasons = [event["reason"] for event in events if event["kind"] == "attachment_changed"]
        self.assertEqual(reasons, [
            "egress limit 350000000000 bit/s",
            "static neighbour 10.1.0.9 on aws/aws-a at 02:00:00:00:00:09 set",
            "feature aws/ch1 set"])
        numbers = [event["sequence"] for event in events]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
        after = self.call("GET", f"/events?since={numbers[-2]}")
        self.assertEqual([event["sequence"] for event in after["events"]], numbers[-1:])
        self.assertTrue(self.call("GET", "/events?since=1")["lost"])
        self.call("GET", "/events?since=x", status=400)
        self.assertNotIn(SAK256[0], json.dumps(events) + self.daemon.log())
        shown = subprocess.run([CTL, "--socket", self.daemon.socket_path, "events"],
                               capture_output=True, text=True, timeout=20, check=True).stdout
        self.assertIn("attachment aws/c1 was removed", shown)

    def test_watch(self):
        stream = Stream(self.daemon)
        self.assertEqual(stream.reply.getheader("Content-Type"), "text/event-stream")
        self.call("POST", "/edges/aws/attachments", attachment(), 201)
        event = stream.until("attachment_added")
        data = json.loads(event["data"])
        self.assertEqual((data["object"], str(data["sequence"])), ("aws/c1", event["id"]))
        self.call("DELETE", "/edges/aws/attachments/c1", status=204)
        self.assertEqual(json.loads(stream.until("attachment_removed")["data"])["object"], "aws/c1")
        stream.close()
        again = Stream(self.daemon, headers={"Last-Event-ID": event["id"]})
        self.assertEqual(again.until("attachment_removed")["event"], "attachment_removed")
        again.close()
        lost = Stream(self.daemon, "/v1/watch?since=1")
        self.assertEqual(lost.next()["event"], "lagged")
        self.assertIsNone(lost.next())
        lost.close()

    def test_following(self):
        with subprocess.Popen([CTL, "--socket", self.daemon.socket_path, "--json", "events", "-f"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as ctl:
            self.assertEqual(json.loads(ctl.stdout.readline())["kind"], "daemon_start")
            self.call("PATCH", "/edges/aws/ports/aws-a", {"admin_state": "down"})
            while json.loads(ctl.stdout.readline())["kind"] != "port_admin":
                pass
            self.daemon.stop()
            out, err = ctl.communicate(timeout=20)
            self.assertIn("daemon_stop", out)
            self.assertIn("has ended the stream", err)
            self.assertEqual(ctl.returncode, 2)

    def test_watchers_are_bounded_and_a_stop_ends_them(self):
        streams = [Stream(self.daemon) for _ in range(32)]
        self.assertEqual({stream.reply.status for stream in streams}, {200})
        self.call("GET", "/watch", status=503)
        self.assertEqual(self.daemon.stop(), 0, self.daemon.log())
        self.assertTrue(any(stream.next() is None or stream.next() is None for stream in streams))
        for stream in streams:
            stream.close()

    def test_json_log(self):
        with Daemon(PROGRAM, edit=lambda text: 'log = "json"\n' + text) as daemon:
            daemon.call("PATCH", "/edges/aws/ports/aws-a", {"admin_state": "down"})
            daemon.stop()
            lines = [line for line in daemon.log().splitlines() if line.startswith("{")]
            parsed = [json.loads(line) for line in lines]
            kinds = [line.get("kind") for line in parsed]
            for kind in ("daemon_start", "port_admin", "daemon_stop"):
                self.assertIn(kind, kinds)

    def audit(self, path):
        with open(path, encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def test_audit(self):
        path = os.path.join(self.daemon.folder.name, "state", "state.audit.jsonl")
        self.call("PATCH", "/edges/aws/channels/ch1", {"admin_state": "drain"})
        self.call("POST", "/edges/aws/channels/ch1/tx-sas", {"an": 0, "sak": SAK256[1]}, 201)
        self.call("PATCH", "/edges/aws/channels/none", {"admin_state": "drain"}, 404)
        self.daemon.raw("PUT", "/v1/edges/aws/attachments/c1", "{", {})
        self.call("POST", "/edges/aws/attachments", attachment(), 201)
        self.call("DELETE", "/edges/aws/attachments/c1", status=204)
        records = self.audit(path)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        self.assertEqual([record["status"] for record in records], [200, 201, 404, 400, 201, 204])
        drain, sa, missing, _, _, gone = records
        self.assertEqual((drain["uid"], drain["pid"]), (os.geteuid(), os.getpid()))
        self.assertEqual(drain["change"], {"admin_state": "drain"})
        self.assertEqual((drain["before"]["admin_state"], drain["after"]["admin_state"]),
                         ("up", "drain"))
        self.assertEqual(sa["change"]["sak"], "(secret)")
        self.assertEqual(len(sa["after"]["tx_sas"][0]["fingerprint"]), 16)
        self.assertEqual(missing["outcome"], "refused")
        self.assertEqual(missing["reply"]["error"]["code"], "not_found")
        self.assertEqual(gone["before"]["name"], "c1")
        self.assertNotIn("after", gone)
        with open(path, encoding="utf-8") as file:
            self.assertNotIn(SAK256[1], file.read())
        os.rename(path, path + ".1")
        os.mkdir(path)
        self.call("PATCH", "/edges/aws/channels/ch1", {"admin_state": "up"})
        self.assertIn("audit_trouble", self.kinds())
        status = self.call("GET", "/status")
        self.assertEqual((status["audit_log"], status["audit_ok"]), (path, False))
        self.assertIn(path, status["audit_problem"])
        os.rmdir(path)
        self.call("PATCH", "/edges/aws/channels/ch1", {"admin_state": "up"})
        self.assertIn("audit_recovered", self.kinds())
        self.assertTrue(self.call("GET", "/status")["audit_ok"])
        self.assertEqual(len(self.audit(path)), 1)


def main():
    global PROGRAM, CTL
    PROGRAM, CTL = os.path.abspath(sys.argv.pop(1)), os.path.abspath(sys.argv.pop(1))
    unittest.main()


if __name__ == "__main__":
    main()
