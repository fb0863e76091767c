"""Attachments with their features, limits, routes and neighbours."""

from api_case import SAK256, ApiTest, attachment


class Attachments(ApiTest):
    def test_life(self):
        made = self.make(limits={"egress": {"rate_bps": 1000000}})
        self.assertEqual(made["interconnect"], "to-gcp")
        self.assertEqual((made["vlan"], made["mtu"]), (0, 1500))
        self.assertEqual(made["mss_clamp"], "off")
        self.assertEqual(made["limits"]["egress"], {"rate_bps": 1000000, "burst_us": 5000})
        self.assertIsNone(made["limits"]["ingress"])
        self.assertEqual(made["features"]["ch1"]["peer_ipv6"], "fd00:ffff:1::2")
        self.assertEqual(made["routes"], [{"prefix": "10.2.0.0/16", "via": "channels"}])
        self.assertEqual(made["counters"]["egress"]["rx_packets"], 0)

        listed = self.ok("GET", "/edges/aws/attachments")["attachments"]
        self.assertEqual(len(listed), 1)
        self.assertNotIn("routes", listed[0])
        self.assertEqual(listed[0]["route_count"], 1)

        path = "/edges/aws/attachments/c1"
        replaced = self.ok("PUT", path, {"port": "aws-b", "vlan": 9, "addresses": ["10.7.0.1/24"]})
        self.assertEqual((replaced["port"], replaced["vlan"]), ("aws-b", 9))
        clamped = dict(port="aws-b", vlan=9, addresses=["10.7.0.1/24"], mss_clamp=1360)
        self.assertEqual(self.ok("PUT", path, clamped)["mss_clamp"], 1360)
        self.assertEqual((replaced["features"], replaced["routes"]), ({}, []))
        self.assertEqual(self.ok("GET", path)["addresses"], ["10.7.0.1/24"])
        self.ok("DELETE", path, status=204)
        self.refused(404, "not_found", "DELETE", path)
        made = self.ok("PUT", path, attachment(), status=201)
        self.assertEqual(made["name"], "c1")
        self.refused(400, "invalid", "PUT", "/edges/aws/attachments/a%20b",
                     {"port": "aws-b", "addresses": ["10.7.0.1/24"]}, "name")

    def test_same_name_on_the_other_edge(self):
        self.make()
        other = attachment(port="gcp-a", addresses=["10.1.0.1/24"], features={}, routes=[])
        self.ok("POST", "/edges/gcp/attachments", other, status=201)

    def test_refusals_change_nothing(self):
        self.make()
        self.make(name="c2", port="aws-b", features={}, routes=[])
        before = self.state()
        feature = attachment()["features"]["ch1"]
        rows = (
            (400, "port", {"port": "gcp-a"}),
            (400, "port", {"port": "aws-ch1"}),
            (400, "vlan", {"vlan": 4095}),
            (400, "vlan", {"vlan": -1}),
            (400, "mtu", {"mtu": 1501}),
            (400, "mtu", {"mtu": 1279}),
            (400, "mtu", {"mtu": 9101}),
            (400, "mss_clamp", {"mss_clamp": 535}),
            (400, "mss_clamp", {"mss_clamp": 9061}),
            (400, "mss_clamp", {"mss_clamp": "1400"}),
            (400, "mss_clamp", {"mss_clamp": None}),
            (400, "addresses[0]", {"addresses": ["10.0.0.1"]}),
            (400, "addresses[1]", {"addresses": ["10.0.0.1/24", "10.0.1.1/24"]}),
            (400, "addresses", {"addresses": ["224.0.0.1/24"]}),
            (400, "limits.egress.rate_bps", {"limits": {"egress": {"rate_bps": 1}}}),
            (400, "features.ch9", {"features": {"ch9": feature}}),
            (400, "features.ch1.vlan", {"features": {"ch1": dict(feature, vlan=1024)}}),
            (409, "features.ch1.vlan", {"features": {"ch1": feature}}),
            (
                400,
                "features.ch2.peer_ipv4",
                {"features": {"ch2": dict(feature, peer_ipv4="169.254.9.2")}},
            ),
            (400, "routes[0].prefix", {"routes": [{"prefix": "10.0.0.1/8", "via": "channels"}]}),
            (400, "nonsense", {"nonsense": 1}),
            (409, "name", {"name": "c1"}),
        )
        for status, field, change in rows:
            spec = {"name": "c3", "port": "aws-b", "vlan": 5, "addresses": ["10.8.0.1/24", "fd08::1/64"]}
            spec.update(change)
            code = "conflict" if status == 409 else "invalid"
            with self.subTest(change=change):
                self.refused(status, code, "POST", "/edges/aws/attachments", spec, field)
                if field != "name":
                    spec["name"] = "c2"
                    self.refused(status, code, "PUT", "/edges/aws/attachments/c2", spec, field)
                self.assertEqual(self.state(), before)
        self.refused(409, "conflict", "POST", "/edges/aws/attachments", attachment("c3"))
        self.assertEqual(self.state(), before)

    def test_slots_run_out(self):
        for n in range(64):
            self.ok(
                "POST",
                "/edges/aws/attachments",
                {"name": f"n{n}", "port": "aws-a", "vlan": n + 1, "addresses": ["10.1.0.1/24"]},
                status=201,
            )
        over = {"name": "over", "port": "aws-a", "vlan": 99, "addresses": ["10.1.0.1/24"]}
        reply = self.daemon.call("POST", "/edges/aws/attachments", over)
        self.assertIn(reply.status, (409, 503), reply.text)

    def test_features(self):
        self.make()
        path = "/edges/aws/attachments/c1/features/"
        feature = {"vlan": 1026, "addresses": ["169.254.2.1/30"], "peer_ipv4": "169.254.2.2"}
        whole = self.ok("PUT", path + "ch2", feature)
        self.assertEqual(set(whole["features"]), {"ch1", "ch2"})
        self.assertEqual(whole["features"]["ch2"]["mtu"], 1500)
        self.ok("DELETE", path + "ch2", status=204)
        before = self.state()
        self.refused(404, "not_found", "DELETE", path + "ch2")
        self.refused(404, "not_found", "PUT", path + "ch9", feature)
        self.refused(400, "invalid", "PUT", path + "ch2", {"vlan": 1026}, "addresses")
        self.refused(400, "invalid", "PUT", path + "ch2", dict(feature, vlan=5), "vlan")
        overlap = dict(feature, addresses=["169.254.1.1/30"], peer_ipv4="169.254.1.2")
        self.refused(409, "conflict", "PUT", path + "ch2", overlap)
        self.assertEqual(self.state(), before)

    def test_capacity_is_not_oversold(self):
        def sheet():
            return self.ok("GET", "/edges/aws/capacity")["interconnects"][0]

        rate = lambda gbps: {"rate_bps": gbps * 10**9}
        path = "/edges/aws/attachments/c2/limits"
        self.make(limits={"egress": rate(250), "ingress": rate(1)})
        self.make(name="c2", port="aws-b", features={}, routes=[])
        before = self.state()
        reply = self.refused(409, "conflict", "PATCH", path, {"egress": rate(151)},
                             "limits.egress.rate_bps")
        self.assertEqual(reply.error["limit"], str(150 * 10**9))
        self.assertEqual(self.state(), before)
        self.ok("PATCH", path, {"egress": rate(150), "ingress": rate(399)})
        self.refused(409, "conflict", "PUT", "/edges/aws/attachments/c1",
                     attachment(limits={"ingress": rate(2)}))
        self.refused(409, "conflict", "POST", "/edges/aws/attachments",
                     attachment("c3", vlan=9, features={}, limits={"egress": {"rate_bps": 64000}}))
        found = sheet()
        self.assertEqual((found["staged_bps"], found["sellable_bps"]), (400 * 10**9, 400 * 10**9))
        self.assertEqual(found["egress"], {
            "sold_bps": 400 * 10**9,
            "free_bps": 0,
            "headroom_n1_bps": -100 * 10**9,
            "unlimited_attachments": 0,
        })
        self.assertEqual(found["channels"][0], {
            "name": "ch1",
            "capacity_bps": 100 * 10**9,
            "admin_state": "up",
            "share_permille": 250,
        })
        self.ok("PATCH", "/edges/aws/channels/ch2", {"admin_state": "drain"})
        found = sheet()
        self.ok("PATCH", "/edges/aws/channels/ch2", {"admin_state": "up"})
        self.assertEqual(found["egress"]["free_bps"], -100 * 10**9)
        self.assertTrue(found["short"])
        self.assertFalse(sheet()["short"])
        self.ok("DELETE", "/edges/aws/attachments/c1", status=204)
        self.assertEqual(sheet()["egress"]["free_bps"], 250 * 10**9)

    def test_limits(self):
        self.make()
        path = "/edges/aws/attachments/c1/limits"
        both = {"egress": {"rate_bps": 64000}, "ingress": {"rate_bps": 10**9, "burst_us": 100}}
        both_set = self.ok("PATCH", path, both)
        self.assertEqual(both_set["egress"], {"rate_bps": 64000, "burst_us": 5000})
        after = self.ok("PATCH", path, {"egress": None})
        self.assertEqual(after, {"egress": None, "ingress": both["ingress"]})
        for bad in ({"egress": {}}, {"egress": {"rate_bps": 63999}}, {"up": None}, {"egress": 5}):
            self.refused(400, "invalid", "PATCH", path, bad)
        self.assertEqual(self.ok("GET", "/edges/aws/attachments/c1")["limits"], after)


class Routes(ApiTest):
    PATH = "/edges/aws/attachments/c1/routes"

    def prefixes(self):
        return {route["prefix"]: route for route in self.ok("GET", self.PATH + "?limit=10000")["routes"]}

    def test_one_by_one(self):
        self.make(routes=[])
        route = {"prefix": "10.9.0.0/16", "via": "vpc", "next_hop": "10.1.0.9"}
        self.assertEqual(self.ok("POST", self.PATH, route, status=201), route)
        self.refused(409, "conflict", "POST", self.PATH, route, "prefix")
        one = self.PATH + "/10.9.0.0%2F16"
        self.ok("PUT", one, {"via": "blackhole"})
        self.assertEqual(self.prefixes()["10.9.0.0/16"]["via"], "blackhole")
        self.ok("PUT", self.PATH + "/fd00%3A9%3A%3A%2F32", {"via": "channels"})
        self.ok("DELETE", one, status=204)
        self.assertEqual(set(self.prefixes()), {"fd00:9::/32"})
        before = self.state()
        self.refused(404, "not_found", "DELETE", one)
        self.refused(400, "invalid", "DELETE", self.PATH + "/10.9.0.1%2F16", field="prefix")
        self.refused(400, "invalid", "PUT", one, {"via": "channels", "next_hop": "10.1.0.9"})
        self.refused(400, "invalid", "PUT", one, {"via": "vpc"}, "next_hop")
        self.refused(400, "invalid", "PUT", one, {"via": "vpc", "next_hop": "10.3.0.9"}, "next_hop")
        self.refused(400, "invalid", "PUT", one, {"via": "vpc", "next_hop": "fd00:1::9"}, "next_hop")
        self.refused(404, "not_found", "PUT", self.PATH + "/10.9.0.0/16", {"via": "channels"})
        self.assertEqual(self.state(), before)

    def test_many_in_one_step(self):
        self.make()
        many = [{"prefix": f"20.{n >> 8}.{n & 255}.0/24", "via": "channels"} for n in range(2000)]
        counts = self.ok("PATCH", self.PATH, {"add": many, "remove": ["10.2.0.0/16"]})
        self.assertEqual(counts, {"added": 2000, "removed": 1, "route_count": 2000})
        before = self.prefixes()
        good = {"prefix": "30.0.0.0/24", "via": "channels"}
        for change, status in (
            ({"add": [good, {"prefix": "30.0.1.1/24", "via": "channels"}]}, 400),
            ({"add": [good, {"prefix": "31.0.0.0/24", "via": "vpc", "next_hop": "9.9.9.9"}]}, 400),
            ({"add": [good, good]}, 400),
            ({"add": [good], "remove": ["30.0.0.0/24"]}, 400),
            ({"add": [good], "remove": ["40.0.0.0/24"]}, 404),
            ({"add": [good], "delete": []}, 400),
        ):
            reply = self.daemon.call("PATCH", self.PATH, change)
            self.assertEqual(reply.status, status, reply.text)
            self.assertEqual(self.prefixes(), before)


class Neighbours(ApiTest):
    def test_static(self):
        self.make()
        # A channel that cannot send has no links.
        sas = "/edges/aws/channels/ch1/tx-sas"
        self.ok("POST", sas, {"an": 0, "sak": SAK256[15]}, status=201)
        self.addCleanup(self.ok, "DELETE", sas + "/0", status=204)
        path = "/edges/aws/attachments/c1/neighbours/"
        mac = {"mac": "02:00:00:00:00:09"}
        self.ok("PUT", path + "10.1.0.9", mac, status=204)
        self.ok("PUT", path + "169.254.1.2", dict(mac, channel="ch1"), status=204)
        found = {
            (item["address"], item["channel"]): item
            for item in self.ok("GET", "/edges/aws/neighbours")["neighbours"]
        }
        self.assertEqual(found["10.1.0.9", None]["state"], "permanent")
        self.assertEqual(found["169.254.1.2", "ch1"]["mac"], "02:00:00:00:00:09")
        before = self.state()
        self.refused(400, "invalid", "PUT", path + "10.3.0.9", mac)
        self.refused(400, "invalid", "PUT", path + "10.1.0.9", {"mac": "ff:ff:ff:ff:ff:ff"})
        self.refused(400, "invalid", "PUT", path + "10.1.0.9", dict(mac, channel="ch9"), "channel")
        self.refused(400, "invalid", "PUT", path + "x", mac, "address")
        self.refused(404, "not_found", "DELETE", path + "169.254.1.2?channel=ch9")
        self.refused(404, "not_found", "DELETE", path + "10.1.0.77")
        self.assertEqual(self.state(), before)
        # Replacing the attachment keeps what still has its subnet.
        self.ok("PUT", "/edges/aws/attachments/c1", attachment(features={}))
        self.ok("DELETE", path + "10.1.0.9", status=204)
        self.refused(404, "not_found", "DELETE", path + "169.254.1.2?channel=ch1")
