"""What can be read, and how requests find their row."""

import json
import subprocess

from api_case import ApiTest
from api_daemon import CHANNELS, UnixConnection


class Reading(ApiTest):
    def test_status(self):
        status = self.ok("GET", "/status")
        self.assertEqual([edge["name"] for edge in status["edges"]], ["aws", "gcp"])
        self.assertEqual(len(status["worker_cores"]), 1)
        self.assertGreater(status["packet_buffers_free"], 0)
        self.assertIn("echo_replies_sent", status["host_stack"])
        for field in ("version", "uptime_ns", "generation", "memory", "macsec_engine"):
            self.assertIn(field, status)

    def test_edges(self):
        self.assertEqual(
            self.ok("GET", "/edges"),
            {
                "edges": [
                    {"name": "aws", "provider": "aws"},
                    {"name": "gcp", "provider": "gcp"},
                ]
            },
        )

    def test_ports(self):
        ports = self.ok("GET", "/edges/aws/ports")["ports"]
        self.assertEqual(
            [port["name"] for port in ports], ["aws-a", "aws-b"] + ["aws-" + c for c in CHANNELS]
        )
        self.assertEqual(ports[0]["device"], "generator")
        self.assertEqual(ports[0]["admin_state"], "up")

    def test_xstats(self):
        self.assertEqual(self.ok("GET", "/edges/aws/ports/aws-a/xstats"), {"xstats": {}})
        xstats = self.ok("GET", "/edges/aws/ports/aws-ch1/xstats")["xstats"]
        self.assertIn("rx_good_packets", xstats)
        self.assertEqual(self.daemon.call("GET", "/edges/aws/ports/none/xstats").status, 404)

    def test_mtu(self):
        self.make(mtu=1400, mss_clamp="auto")
        self.make(name="c2", port="aws-b", features={}, routes=[], mss_clamp=1200)
        sizes = self.ok("GET", "/edges/aws/mtu")
        ports = {port["name"]: port for port in sizes["ports"]}
        self.assertEqual(len(ports), 6)
        self.assertEqual(
            ports["aws-a"],
            {
                "name": "aws-a",
                "channel": None,
                "mtu": 1500,
                "vlan_tag": 4,
                "sectag": 0,
                "icv": 0,
                "l2_payload": 1504,
                "ethernet": 14,
                "max_frame": 1518,
            },
        )
        channel = ports["aws-ch1"]
        self.assertEqual((channel["channel"], channel["sectag"], channel["icv"]), ("ch1", 16, 16))
        self.assertEqual((channel["l2_payload"], channel["max_frame"]), (1536, 1550))
        first, second = sizes["attachments"]
        self.assertEqual(first["egress"], {"mtu": 1500, "mss_ipv4": 1460, "mss_ipv6": 1440})
        self.assertEqual(first["ingress"], {"mtu": 1400, "mss_ipv4": 1360, "mss_ipv6": 1340})
        self.assertEqual(first["mss_clamp"], "auto")
        self.assertEqual((first["clamp_ipv4"], first["clamp_ipv6"]), (1360, 1340))
        self.assertEqual(first["features"], [{"channel": "ch1", "mtu": 1500}])
        self.assertIsNone(second["egress"])
        self.assertEqual((second["mss_clamp"], second["clamp_ipv4"]), (1200, 1200))

    def test_interconnects(self):
        found = self.ok("GET", "/edges/gcp/interconnects")["interconnects"]
        self.assertEqual(len(found), 1)
        self.assertEqual(found[0]["name"], "to-aws")
        self.assertEqual(found[0]["channels"], list(CHANNELS))

    def test_channels(self):
        channels = self.ok("GET", "/edges/gcp/channels")["channels"]
        self.assertEqual([channel["name"] for channel in channels], list(CHANNELS))
        one = self.ok("GET", "/edges/gcp/channels/ch4")
        self.assertEqual(one["cipher_suite"], "GCM-AES-128")
        self.assertEqual(len(one["tx_scs"]), 1)
        for field in ("protect_frames", "admin_state", "usable", "reason", "in_pkts_no_tag", "rx_scs"):
            self.assertIn(field, one)

    def test_counters_add_up(self):
        self.make()
        counters = self.ok("GET", "/counters")
        for edge in counters["accounting"]:
            punted = sum(n for reason, n in edge["punted"].items() if reason != "notice")
            self.assertEqual(
                edge["rx"] + edge["originated"] + edge["fragments"],
                edge["tx"]
                + sum(edge["drops"].values())
                + punted
                + edge["fragmented"]
                + edge["unaccounted"],
            )
        self.assertEqual(counters["attachments"][0]["name"], "c1")
        self.assertIn("meter_drop_bytes", counters["attachments"][0]["ingress"])
        self.assertEqual(len(counters["channels"]), 8)
        self.assertEqual(len(counters["ports"]), 12)

    def test_runtime(self):
        workers = self.ok("GET", "/runtime")["workers"]
        times = workers[0]["round_ns"]
        self.assertLessEqual(times["p50"], times["p99"])
        self.assertLessEqual(times["p999"], times["max"])
        self.assertEqual(sum(entry["rounds"] for entry in times["ranges"]) > 0, times["max"] > 0)
        self.assertEqual(len(workers), 1)
        stages = [(stage["pipeline"], stage["stage"]) for stage in workers[0]["stages"]]
        self.assertEqual((stages[0], stages[-1]), (("both", "rx"), ("both", "tx")))
        self.assertIn(("egress", "protect"), stages)
        self.assertIn(("ingress", "validate"), stages)
        self.assertGreater(workers[0]["polls"], 0)
        for stage in workers[0]["stages"]:
            self.assertLessEqual(stage["sampled_packets"], stage["packets"])

    def test_drops(self):
        drops = self.ok("GET", "/drops")["drops"]
        reasons = {drop["reason"]: drop for drop in drops}
        self.assertEqual(len(reasons), len(drops))
        self.assertEqual(set(reasons["no_route"]["packets"]), {"aws", "gcp"})
        self.assertTrue(all(drop["help"] and drop["stage"] for drop in drops))
        accounting = self.ok("GET", "/counters")["accounting"][0]
        self.assertEqual(set(accounting["drops"]), set(reasons))


class Dispatch(ApiTest):
    def test_unknown_paths(self):
        for path in ("", "/", "/nothing", "/edges/aws", "/edges/aws/ports/", "/status/x"):
            reply = self.daemon.call("GET", path)
            self.assertIn(reply.status, (400, 404), path)
        self.assertEqual(self.daemon.raw("GET", "/v2/status").status, 404)
        self.assertEqual(self.daemon.raw("GET", "/v1/edges/%zz/ports").status, 400)

    def test_unknown_names(self):
        for path in (
            "/edges/azure/ports",
            "/edges/aws/channels/ch9",
            "/edges/aws/attachments/c9",
            "/edges/aws/ports/gcp-a/traffic",
        ):
            self.refused(404, "not_found", "GET", path)

    def test_other_verbs(self):
        for verb, path, allow in (
            ("POST", "/status", "GET, HEAD"),
            ("POST", "/edges/aws/ports/aws-a", "GET, HEAD, PATCH"),
            ("POST", "/edges/aws/channels/ch1", "GET, HEAD, PATCH"),
            ("PATCH", "/edges/aws/attachments/c1", "GET, HEAD, PUT, DELETE"),
            ("DELETE", "/edges/aws/attachments/c1/routes", "GET, HEAD, POST, PATCH"),
        ):
            reply = self.refused(405, "method_not_allowed", verb, path)
            self.assertEqual(reply.headers["Allow"], allow)

    def test_head(self):
        reply = self.daemon.call("HEAD", "/status")
        self.assertEqual((reply.status, reply.text), (200, ""))

    def test_bodies_that_are_not_wanted(self):
        self.refused(400, "invalid", "GET", "/status", {}, field="body")
        self.refused(400, "invalid", "GET", "/status?x=1", field="query")

    def test_bodies_that_are_not_json(self):
        path = "/v1/edges/aws/channels/ch1"
        data = b'{"admin_state":"up"}'
        for kind, status in (
            ("application/json", 200),
            ("Application/JSON; charset=utf-8", 200),
            ("text/plain", 415),
            ("application/x-www-form-urlencoded", 415),
        ):
            reply = self.daemon.raw("PATCH", path, data, {"Content-Type": kind})
            self.assertEqual(reply.status, status, kind)
        self.assertEqual(self.daemon.raw("PATCH", path, data).status, 200)
        for text in (b"", b"{", b"[]", b'"up"', b'{"admin_state":"up"} x', b"\xff", b"[" * 100000):
            reply = self.daemon.raw("PATCH", path, text, {"Content-Type": "application/json"})
            self.assertEqual((reply.status, reply.error["code"]), (400, "invalid"), text[:10])
        twice = b'{"admin_state":"up","admin_state":"down"}'
        self.assertIn("twice", self.daemon.raw("PATCH", path, twice).error["message"])

    def test_body_over_the_limit(self):
        connection = UnixConnection(self.daemon.socket_path)
        connection.putrequest("PATCH", "/v1/edges/aws/channels/ch1")
        connection.putheader("Content-Length", str((1 << 20) + 1))
        connection.endheaders()
        response = connection.getresponse()
        self.assertEqual(response.status, 413)
        self.assertEqual(json.loads(response.read())["error"]["code"], "too_large")
        connection.close()

    def test_curl(self):
        command = ["curl", "-sS", "--unix-socket", self.daemon.socket_path, "http://isthmus/v1/edges"]
        out = subprocess.run(command, capture_output=True, timeout=20, check=True).stdout
        self.assertEqual(len(json.loads(out)["edges"]), 2)
