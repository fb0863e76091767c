"""plan, apply, export and validate of documents, against a running daemon and without one.

    test_declare.py ISTHMUSD ISTHMUSCTL [unittest's own arguments]
"""

import json
import os
import sys
import time
import unittest

from declare_case import OTHER_SAK, SAK, TOML, DeclareTest, attachment, on_vlan
from declare_event_cases import EventCases  # noqa: F401


class CommandCases(DeclareTest):
    def test_plan_apply_export(self):
        path = self.write(TOML)
        empty = self.get("/export")
        planned = self.ctl("plan", "-f", path, code=2)
        self.assertIn("+ attachment acme", planned)
        self.assertIn("limits.egress.rate_bps: 300000000", planned)
        self.assertIn('admin_state: "up" -> "drain"', planned)
        self.assertIn("+ 10.3.0.0/16 via 10.1.0.9", planned)
        self.assertIn("2 to add, 1 to change, 0 to remove", planned)
        self.assertEqual(self.get("/export"), empty)  # a plan changes nothing
        self.assertIn("Applied.", self.ctl("apply", "-f", path))
        self.assertIn("Nothing to change", self.ctl("plan", "-f", path))
        exported = self.write(self.ctl("export"), "exported.toml")
        before = self.generation()
        for document in (path, exported, self.write(self.ctl("--json", "export"), "exported.json")):
            self.assertIn("Nothing to change", self.ctl("apply", "-f", document))
        self.assertEqual(self.generation(), before)
        # All of it, in an edge that has nothing.
        self.ctl("apply", "-f", self.write(empty, "empty.json"), "--yes")
        self.assertEqual(self.get("/export"), empty)
        self.ctl("apply", "-f", exported)
        self.assertIn("Nothing to change", self.ctl("plan", "-f", path))
        one = self.ctl("--edge", "gcp", "export")
        self.assertEqual(one.count("[[edges]]"), 1)

    def test_removals_are_asked_for(self):
        self.ctl("apply", "-f", self.write(TOML))
        path = self.write('[[edges]]\nname = "aws"\nattachments = []\n')
        planned = self.ctl("plan", "-f", path, code=2)
        self.assertIn("- attachment acme  REMOVED", planned)
        self.assertIn("REMOVES attachment aws/acme", planned)
        refusal = self.ctl("apply", "-f", path, code=1)
        self.assertIn("removes attachment aws/acme", refusal)
        self.assertIn("--allow-removals", refusal)
        self.assertEqual(len(self.get("/edges/aws/attachments")["attachments"]), 1)
        self.ctl("apply", "-f", path, "--allow-removals")
        self.assertEqual(self.get("/edges/aws/attachments")["attachments"], [])

    def test_only_what_was_looked_at(self):
        path = self.write(TOML)
        plan = json.loads(self.ctl("--json", "plan", "-f", path, code=2))
        self.daemon.call("PATCH", "/edges/aws/channels/ch2", {"admin_state": "down"})
        refusal = self.ctl("apply", "-f", path, "--expect", plan["fingerprint"], code=1)
        self.assertIn("something has changed since", refusal)
        plan = json.loads(self.ctl("--json", "plan", "-f", path, code=2))
        self.ctl("apply", "-f", path, "--expect", plan["fingerprint"])

    def test_validate_says_the_same_without_a_daemon(self):
        rows = (
            ("vlan = 100", "vlan = 5000", ":7: edges[0].attachments[0].vlan: 5000 is not"),
            ("vlan = 100", "vlan = -1", ":7: edges[0].attachments[0].vlan: -1 is not"),
            ("vlan = 100", "colour = 1", ":7: edges[0].attachments[0].colour: unknown field"),
            ("vlan = 1025", "vlan = 1", ":17: edges[0].attachments[0].features.ch1.vlan: 1 is"),
            ("10.1.0.1/24", "10.1.0.0/24", ":8: edges[0].attachments[0].addresses: 10.1.0.0/24"),
            ('"10.1.0.9" }', '"10.5.0.9" }', ":12: edges[0].attachments[0].routes[10.3.0.0/16]"),
            ('via = "vpc"', 'via = "x"', ":12: edges[0].attachments[0].routes[1].via: x is not"),
            ("300_000_000", "1", ":9: edges[0].attachments[0].limits.egress.rate_bps: 1 is not"),
            ('"drain"', '"off"', ":23: edges[0].channels[0].admin_state: off is not"),
        )
        path = self.write(TOML)
        self.assertIn("good, 1 attachments, 2 routes", self.ctl("validate", "-f", path))
        for old, new, message in rows:
            self.assertIn(old, TOML)
            self.write(TOML.replace(old, new, 1))
            for command in (
                ("plan", "-f", path),
                ("validate", "-f", path, "--config", self.daemon.config),
                ("validate", "-f", path),
            ):
                self.assertIn(path + message, self.ctl(*command, code=1), command)
        self.write(TOML.replace('"aws-a"', '"nowhere"'))
        self.ctl("validate", "-f", path)
        self.ctl("validate", "-f", path, "--config", self.daemon.config, code=1)

    def test_the_example(self):
        examples = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples")
        path = os.path.join(examples, "edge.document.toml")
        config = os.path.join(examples, "lab-aws.toml")
        self.assertIn("good, 2 attachments", self.ctl("validate", "-f", path))
        self.assertIn("good, 2 attachments", self.ctl("validate", "-f", path, "--config", config))

    def test_bad_files(self):
        for text, message in (
            ("[[edges]\n", ":1: "),
            ('[[edges]]\nname = "aws"\nname = "aws"\n', ":3: "),
            ('[[edges]]\nname = 2020-01-01\n', ":2: no field is a date"),
            ('[[edges]]\nname = "aws"\nports = 1.5\n', ":3: no field is a date"),
            ('{"edges":[],"edges":[]}', "twice"),
            ('{"edges":[}', "not JSON"),
            ("", ": edges: the field is missing"),
        ):
            path = self.write(text)
            for command in ("validate", "plan", "apply"):
                self.assertIn(message, self.ctl(command, "-f", path, code=1))
        self.ctl("plan", "-f", "/nowhere", code=1)
        self.ctl("plan", code=1)
        self.ctl("validate", "--bogus", code=1)

    def test_routes_in_files(self):
        start = TOML.index("routes = [")
        routes = TOML[start : TOML.index("]\n", start) + 2]
        for name, text in (
            ("r.routes", "# two\n10.2.0.0/16 channels\n\n10.3.0.0/16 10.1.0.9\n"),
            ("r.csv", "10.2.0.0/16,channels\n10.3.0.0/16, 10.1.0.9\n"),
            ("r.ndjson", '{"prefix":"10.2.0.0/16","via":"channels"}\n\n'
                         '{"prefix":"10.3.0.0/16","via":"vpc","next_hop":"10.1.0.9"}\n'),
        ):
            self.write(text, name)
            path = self.write(TOML.replace(routes, f'routes_file = "{name}"\n'))
            self.ctl("apply", "-f", path)
            self.assertIn("Nothing to change", self.ctl("plan", "-f", self.write(TOML, "all.toml")))
        path = self.write(self.ctl("export", "--routes-dir", self.folder), "files.toml")
        self.assertTrue(os.path.exists(os.path.join(self.folder, "aws-acme.routes")))
        self.assertIn("Nothing to change", self.ctl("plan", "-f", path))
        self.write('{"prefix":"10.2.0.0/16"}\nx\n', "r.ndjson")
        path = self.write(TOML.replace(routes, 'routes_file = "r.ndjson"\n'))
        self.assertIn("r.ndjson:2: not a JSON object", self.ctl("plan", "-f", path, code=1))
        path = self.write(TOML.replace(routes, routes + 'routes_file = "r.csv"\n'))
        self.assertIn("routes are given as well", self.ctl("plan", "-f", path, code=1))
        path = self.write(TOML.replace(routes, 'routes_file = "none"\n'))
        self.assertIn("cannot read", self.ctl("plan", "-f", path, code=1))

    def test_keys_by_reference(self):
        document = """[[edges]]
name = "aws"
[[edges.channels]]
name = "ch1"
rx_scs = ["0200000000020001"]
[edges.channels.keys]
tx = [{ an = 0, sak = { file = "tx.key" } }]
rx.0200000000020001 = [{ an = 1, sak = { env = "RX_SAK" } }]
"""
        path = self.write(document)
        self.assertIn("tx.key", self.ctl("plan", "-f", path, code=1))
        self.write(SAK, "tx.key", mode=0o640)
        self.assertIn("chmod 600", self.ctl("plan", "-f", path, code=1))
        self.write(SAK, "tx.key")
        self.assertIn("RX_SAK", self.ctl("plan", "-f", path, code=1))
        self.assertIn(":8: ", self.ctl("plan", "-f", path, code=1))
        self.ctl("validate", "-f", path, RX_SAK=OTHER_SAK)
        self.assertIn("+ key ch1/tx/an0", self.ctl("plan", "-f", path, RX_SAK=OTHER_SAK, code=2))
        self.ctl("apply", "-f", path, RX_SAK=OTHER_SAK)
        channel = self.get("/edges/aws/channels/ch1")
        self.assertEqual([sa["an"] for sa in channel["tx_sas"]], [0])
        self.assertEqual([sa["an"] for sa in channel["rx_scs"][0]["sas"]], [1])
        # A later rollover is not undone.
        sas = "/edges/aws/channels/ch1/tx-sas"
        self.daemon.call("POST", sas, {"an": 2, "sak": "77" * 32})
        self.daemon.call("PATCH", sas, {"encoding_an": 2})
        self.daemon.call("DELETE", sas + "/0")
        before = self.generation()
        said = self.ctl("apply", "-f", path, RX_SAK=OTHER_SAK)
        self.assertIn("keys stay as they are", said)
        self.assertIn("Nothing to change", said)
        self.assertEqual(self.generation(), before)
        # And what is refused of the keys is refused whole.
        again = document.replace("ch1", "ch2").replace("tx.key", "rx.key").replace(
            'name = "aws"', 'name = "aws"\nports = [{ name = "aws-b", admin_state = "down" }]'
        )
        self.write(OTHER_SAK, "rx.key")
        state = self.get("/export")
        self.assertIn("keys.", self.ctl("apply", "-f", self.write(again), RX_SAK="1", code=1))
        self.assertEqual(self.get("/export"), state)
        self.assertNotIn(SAK, self.daemon.log())


class ApiCases(DeclareTest):
    def test_queries(self):
        edges = [{"name": "aws", "attachments": [attachment("c1", 1)]}]
        for query in ("?dry_run=1", "?x=1", "?dry_run=true&dry_run=true", "?allow_removals="):
            self.assertEqual(self.apply(edges, query, status=400).error["code"], "invalid")
        plan = self.apply(edges, "?dry_run=true").json
        self.assertTrue(plan["changed"])
        self.assertEqual(self.get("/edges/aws/attachments")["attachments"], [])
        refused = self.apply(edges, "?expect=00", status=409)
        self.assertEqual(refused.error["field"], "expect")
        done = self.apply(edges, "?expect=" + plan["fingerprint"]).json
        self.assertEqual(done, plan)
        self.assertFalse(self.apply(edges).json["changed"])

    def test_refused_whole(self):
        first = attachment("c1", 1)
        self.apply([{"name": "aws", "attachments": [first]}])
        state = self.get("/export")
        bad = on_vlan(attachment("c3", 1), 7)
        bad["routes"].append({"prefix": "10.1.0.0/24", "via": "channels"})
        edges = [
            {
                "name": "aws",
                "ports": [{"name": "aws-b", "admin_state": "down"}],
                "channels": [{"name": "ch2", "admin_state": "down", "rx_scs": ["%016x" % 5]}],
                "attachments": [dict(first, mtu=1400), on_vlan(attachment("c2", 1), 5), bad],
            },
            {"name": "gcp", "attachments": [attachment("c1", 2)]},
        ]
        refused = self.apply(edges, status=409)
        self.assertEqual(
            refused.error["field"], "edges[0].attachments[2].routes[10.1.0.0/24].prefix"
        )
        self.assertEqual(self.get("/export"), state)

    def test_swaps_and_full_places(self):
        specs = [on_vlan(attachment(f"c{n}", 1), n) for n in range(1, 65)]
        self.apply([{"name": "aws", "attachments": specs}])
        extra = on_vlan(attachment("more", 1), 99)
        refused = self.apply([{"name": "aws", "attachments": specs + [extra]}], status=409)
        self.assertEqual(refused.error["field"], "edges[0].attachments[64]")
        # Everybody gets the VLANs of the next one, and the last place another owner.
        moved = [on_vlan(spec, n % 63 + 2) for n, spec in enumerate(specs[:63], 1)] + [extra]
        before = self.generation()
        self.apply([{"name": "aws", "attachments": moved}], "?allow_removals=true")
        self.assertEqual(self.generation(), before + 1)
        found = self.get("/edges/aws/attachments")["attachments"]
        self.assertEqual(
            {item["name"]: item["vlan"] for item in found},
            {item["name"]: item["vlan"] for item in moved},
        )
        self.assertFalse(self.apply([{"name": "aws", "attachments": moved}]).json["changed"])

    def test_routes_of_a_large_table(self):
        def route(n, via="channels"):
            return {"prefix": f"20.{n // 256}.{n % 256}.0/24", "via": via}

        spec = attachment("c1", 1, routes=[route(n) for n in range(2000)])
        edges = [{"name": "aws", "attachments": [spec]}]
        self.apply(edges)
        before = self.generation()
        spec["routes"] = [route(0, "blackhole")] + spec["routes"][1:1999] + [route(3000)]
        plan = self.apply(edges).json
        self.assertEqual(self.generation(), before)  # in place
        routes = plan["changes"][0]["routes"]
        self.assertEqual((routes["added"], routes["changed"], routes["removed"]), (1, 1, 1))
        self.assertEqual(plan["changes"][0]["fields"], [])
        self.assertFalse(self.apply(edges).json["changed"])
        spec["routes"] = spec["routes"][:10]
        self.apply(edges)
        self.assertFalse(self.apply(edges).json["changed"])
        self.assertEqual(len(self.get("/edges/aws/attachments/c1/routes")["routes"]), 10)


class TrafficCases(DeclareTest):
    """What a document does not change goes on: packets, counters, packet numbers."""

    def edges(self, beta):
        def edge(name, side, tx, rx):
            peer = self.get(f"/edges/{('gcp', 'aws')[side - 1]}/channels/ch1")
            sci = peer["tx_scs"][0]["sci"]
            return {
                "name": name,
                "channels": [
                    {
                        "name": "ch1",
                        "rx_scs": [sci],
                        "keys": {
                            "tx": [{"an": 0, "sak": tx}],
                            "rx": {sci: [{"an": 0, "sak": rx}]},
                        },
                    }
                ],
                "attachments": [attachment("acme", side)] + [make(side) for make in beta],
            }

        return [edge("aws", 1, SAK, OTHER_SAK), edge("gcp", 2, OTHER_SAK, SAK)]

    @staticmethod
    def beta(vlan, **changes):
        return lambda side: dict(on_vlan(attachment("beta", side), vlan), **changes)

    def traffic(self, edge, side, rate_bps):
        there = 3 - side
        stream = {
            "source": f"10.{side}.0.2",
            "destination": f"10.{there}.0.2",
            "rate_bps": rate_bps,
            "sizes": [{"ip_bytes": 256}],
        }
        spec = {
            "tag": 1,
            "addresses": [f"10.{side}.0.2"],
            "streams": [stream] if rate_bps else [],
        }
        reply = self.daemon.call("PUT", f"/edges/{edge}/ports/{edge}-a/traffic", spec)
        self.assertEqual(reply.status, 200, reply.text)

    def counts(self):
        return [self.get(f"/edges/{edge}/ports/{edge}-a/traffic") for edge in ("aws", "gcp")]

    def settled(self):
        """Once nothing is on its way any more."""
        for _ in range(100):
            aws, gcp = self.counts()
            if (aws["sent_packets"], gcp["sent_packets"]) == (
                gcp["received_packets"],
                aws["received_packets"],
            ):
                break
            time.sleep(0.02)
        return aws, gcp

    def channel(self, edge):
        channel = self.get(f"/edges/{edge}/channels/ch1")
        return channel["tx_sas"][0]["next_pn"], channel["rx_scs"][0]["sas"][0]["next_pn"]

    def test_nothing_is_lost(self):
        self.apply(self.edges([self.beta(5)]))
        # Hosts that are known: the first packets do not wait for ARP.
        self.traffic("aws", 1, 100_000)
        self.traffic("gcp", 2, 100_000)
        time.sleep(1)
        self.traffic("aws", 1, 0)
        self.traffic("gcp", 2, 0)
        time.sleep(0.3)
        start = self.settled()
        self.traffic("aws", 1, 30_000_000)
        self.traffic("gcp", 2, 30_000_000)
        seen = 0
        numbers = self.channel("aws")
        for round in range(12):
            beta = (
                [self.beta(5 + round % 3, mtu=1400 + round)],
                [self.beta(6, limits={"egress": {"rate_bps": 1_000_000 + round}})],
                [],
                [self.beta(7, routes=[{"prefix": "10.2.1.0/24", "via": "blackhole"}])],
            )[round % 4]
            self.assertTrue(self.apply(self.edges(beta), "?allow_removals=true").json["changed"])
            self.assertFalse(self.apply(self.edges(beta)).json["changed"])
            acme = self.get("/edges/aws/attachments/acme")["counters"]["egress"]["tx_packets"]
            self.assertGreaterEqual(acme, seen)
            seen = acme
            now = self.channel("aws")
            self.assertGreaterEqual(now, numbers)
            numbers = now
        # How long the changes took says nothing: there is to be traffic enough to judge by.
        deadline = time.monotonic() + 10
        path = "/edges/aws/ports/aws-a/traffic"
        while self.get(path)["sent_packets"] <= start[0]["sent_packets"] + 500:
            self.assertLess(time.monotonic(), deadline, "the host does not send")
            time.sleep(0.05)
        self.traffic("aws", 1, 0)
        self.traffic("gcp", 2, 0)
        aws, gcp = self.settled()
        self.assertGreater(aws["sent_packets"], start[0]["sent_packets"] + 500)
        for before, sender, receiver, other in (
            (start[0], aws, gcp, start[1]),
            (start[1], gcp, aws, start[0]),
        ):
            sent = sender["sent_packets"] - before["sent_packets"]
            self.assertEqual(receiver["received_packets"] - other["received_packets"], sent)
            for field in ("foreign_packets", "corrupt_packets", "reordered_packets"):
                self.assertEqual(receiver[field], 0)
        for edge in ("aws", "gcp"):
            counters = self.get("/edges/%s/channels/ch1" % edge)["rx_scs"][0]
            self.assertEqual((counters["in_pkts_late"], counters["in_pkts_not_valid"]), (0, 0))
        acme = self.get("/edges/aws/attachments/acme")["counters"]["egress"]
        self.assertEqual(acme["tx_packets"], aws["sent_packets"])


if __name__ == "__main__":
    DeclareTest.daemon_program = os.path.abspath(sys.argv.pop(1))
    DeclareTest.ctl_program = os.path.abspath(sys.argv.pop(1))
    unittest.main()
