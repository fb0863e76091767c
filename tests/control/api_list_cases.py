"""Lists in pages, routes as lines, and changes that depend on what is there."""

import json

from api_case import ApiTest, attachment


class Lines(ApiTest):
    """Routes as NDJSON."""

    PATH = "/v1/edges/aws/attachments/c1/routes"
    KIND = "application/x-ndjson"

    def send(self, text, **headers):
        headers = {"Content-Type": self.KIND, **headers}
        return self.daemon.raw("PATCH", self.PATH, text.encode(), headers)

    def lines(self, query=""):
        reply = self.daemon.raw("GET", self.PATH + query, headers={"Accept": self.KIND})
        self.assertEqual((reply.status, reply.headers["Content-Type"]), (200, self.KIND))
        return [json.loads(line) for line in reply.text.splitlines()]

    def test_many(self):
        self.make()
        routes = [{"prefix": f"20.{n >> 8}.{n & 255}.0/24", "via": "channels"} for n in range(40000)]
        routes.append({"prefix": "fd00:9::/32", "via": "blackhole"})
        text = "\n\n".join(json.dumps(route) for route in routes)
        reply = self.send('{"remove":"10.2.0.0/16"}\r\n' + text)
        self.assertEqual(reply.json, {"added": 40001, "removed": 1, "route_count": 40001})
        self.assertEqual(self.lines(), routes)
        self.assertEqual(self.lines("?limit=3&after=20.0.7.0/24"), routes[8:11])
        self.assertEqual(self.lines("?via=blackhole"), routes[-1:])
        self.assertNotIn("routes", self.ok("GET", "/edges/aws/attachments/c1"))

    def test_refused_whole(self):
        self.make()
        before = self.state()
        good = '{"prefix":"30.0.0.0/24","via":"channels"}\n'
        for text, status, field in (
            (good + "{", 400, "line 2"),
            (good + "[]", 400, "line 2"),
            (good + '{"prefix":"30.0.1.0/24","via":"channels","via":"vpc"}', 400, "line 2"),
            (good + '{"prefix":"30.0.1.1/24","via":"channels"}\n' + good, 400, "line 2.prefix"),
            (good + "\n" + good, 400, "line 3.prefix"),
            (good + '{"remove":"30.0.0.0/24"}', 400, "line 2.remove"),
            (good + '{"remove":"40.0.0.0/24"}', 404, "line 2.route"),
            (good + '{"remove":"30.0.1.0/24","via":"channels"}', 400, "line 2.via"),
            (good + '{"prefix":"31.0.0.0/24","via":"vpc","next_hop":"9.9.9.9"}', 400,
             "line 2.next_hop"),
            (good + '{"prefix":"10.1.0.0/24","via":"channels"}', 409, "line 2.prefix"),
            (good + '{"prefix":"31.0.0.0/24",' + " " * 600 + '"via":"channels"}', 400, "line 2"),
        ):
            reply = self.send(text)
            self.assertEqual((reply.status, reply.error.get("field")), (status, field), reply.text)
            self.assertIn(field.split(".")[0] + (":" if "." not in field else ""), reply.error["message"])
        self.assertEqual(self.state(), before)
        self.assertEqual(self.send(good, **{"If-Match": '"x"'}).status, 412)
        self.assertEqual(self.daemon.raw("POST", self.PATH, b"{}", {"Content-Type": self.KIND}).status, 415)
        other = self.PATH.replace("c1", "c9")
        reply = self.daemon.raw("PATCH", other, good.encode(), {"Content-Type": self.KIND})
        self.assertEqual(reply.status, 404)
        self.assertEqual(self.state(), before)


class Pages(ApiTest):
    def names(self, query):
        page = self.ok("GET", "/edges/aws/attachments" + query)
        return [item["name"] for item in page["attachments"]], page["total"], page["next"]

    def test_attachments(self):
        for n in (3, 1, 2):
            self.make(name=f"b{n}", vlan=n, features={}, routes=[])
        self.make(name="a1", port="aws-b")
        self.assertEqual(self.names("?limit=2"), (["a1", "b1"], 4, "b1"))
        self.ok("DELETE", "/edges/aws/attachments/b1", status=204)
        self.assertEqual(self.names("?limit=2&after=b1"), (["b2", "b3"], 3, None))
        self.assertEqual(self.names("?name_prefix=b"), (["b2", "b3"], 2, None))
        self.assertEqual(self.names("?port=aws-b"), (["a1"], 1, None))
        self.assertEqual(self.names("?channel=ch1&interconnect=to-gcp"), (["a1"], 1, None))
        self.assertEqual(self.names("?channel=ch2"), ([], 0, None))
        for query, field in (("limit=0", "limit"), ("limit=10001", "limit"), ("limit=x", "limit"),
                             ("limit=1&limit=1", "query"), ("x=1", "query"),
                             ("after=" + "a" * 257, "after")):
            self.refused(400, "invalid", "GET", "/edges/aws/attachments?" + query, field=field)
        self.refused(404, "not_found", "GET", "/edges/aws/attachments?port=gcp-a", field="port")

    def test_routes(self):
        routes = [{"prefix": p, "via": v} for p, v in (
            ("10.2.0.0/16", "channels"), ("10.2.0.0/24", "blackhole"), ("10.2.1.0/24", "channels"),
            ("10.3.0.0/16", "channels"), ("fd00:9::/32", "channels"))]
        self.make(routes=routes)
        path = "/edges/aws/attachments/c1/routes"

        def prefixes(query):
            page = self.ok("GET", path + query)
            return [route["prefix"] for route in page["routes"]], page["total"], page["next"]

        every = [route["prefix"] for route in routes]
        self.assertEqual(prefixes(""), (every, 5, None))
        self.assertEqual(prefixes("?limit=2"), (every[:2], 5, every[1]))
        self.assertEqual(prefixes("?limit=2&after=10.2.0.0/24"), (every[2:4], 5, every[3]))
        self.assertEqual(prefixes("?limit=4"), (every[:4], 5, every[3]))
        self.assertEqual(prefixes("?after=10.3.0.0/16"), (every[4:], 5, None))
        self.assertEqual(prefixes("?after=fd00:9::/32"), ([], 5, None))
        self.assertEqual(prefixes("?within=10.2.0.0/16"), (every[:3], 3, None))
        self.assertEqual(prefixes("?covers=10.2.0.7"), (every[:2], 2, None))
        self.assertEqual(prefixes("?covers=10.2.0.0/20"), (every[:1], 1, None))
        self.assertEqual(prefixes("?via=blackhole&within=0.0.0.0/0"), ([every[1]], 1, None))
        self.assertEqual(prefixes("?within=fd00::/8"), ([every[4]], 1, None))


class Tags(ApiTest):
    PATH = "/v1/edges/aws/attachments/c1"

    def call(self, verb, path, body=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.daemon.raw(verb, path, None if body is None else json.dumps(body).encode(), headers)

    def generation(self):
        return self.ok("GET", "/status")["generation"]

    def test_lost_update(self):
        made = self.call("PUT", self.PATH, attachment(), If_None_Match="*")
        self.assertEqual(made.status, 201)
        tag = made.headers["ETag"]
        self.assertEqual(self.call("GET", self.PATH).headers["ETag"], tag)
        again = self.call("PUT", self.PATH, attachment(), If_None_Match="*")
        self.assertEqual((again.status, again.headers["ETag"]), (412, tag))
        changed = self.call("PUT", self.PATH, attachment(mtu=1400), If_Match=tag)
        self.assertEqual(changed.status, 200)
        self.assertNotEqual(changed.headers["ETag"], tag)
        route = self.PATH + "/routes/10.5.0.0%2F16"
        for verb, path, body in (
            ("PUT", self.PATH, attachment()),
            ("DELETE", self.PATH, None),
            ("PATCH", self.PATH + "/limits", {"egress": None}),
            ("PUT", route, {"via": "channels"}),
            ("DELETE", self.PATH + "/features/ch1", None),
        ):
            stale = self.call(verb, path, body, If_Match=tag)
            self.assertEqual((stale.status, stale.headers["ETag"]), (412, changed.headers["ETag"]))
            self.assertEqual(stale.error["limit"], changed.headers["ETag"])
        tag = changed.headers["ETag"]
        put = self.call("PUT", route, {"via": "channels"}, If_Match=f'"x", W/"y", {tag}', If_None_Match="*")
        self.assertEqual(put.status, 200)
        self.assertEqual(self.call("PUT", route, {"via": "channels"}, If_None_Match="*").status, 412)
        self.assertEqual(self.call("DELETE", self.PATH, If_Match="*").status, 204)
        self.assertEqual(self.call("PUT", self.PATH, attachment(), If_Match="*").status, 412)
        for bad in ("", "x", '"', '"a" "b"', "*, *", '"a",', 'w/"a"'):
            self.assertEqual(self.call("GET", "/v1/edges/aws/channels/ch1", If_Match=bad).status, 400, bad)
        for path in ("/v1/edges/aws/channels/ch1", "/v1/edges/aws/ports/aws-b"):
            tag = self.call("GET", path).headers["ETag"]
            state = {"admin_state": "up"}
            self.assertEqual(self.call("PATCH", path, state, If_Match=tag).status, 200)
            self.assertEqual(self.call("PATCH", path, state, If_Match=tag).status, 412)
            self.assertEqual(self.call("PATCH", path, state, If_None_Match="*").status, 400)

    def test_put_twice_does_nothing(self):
        feature = attachment()["features"]["ch1"]
        neighbour = {"mac": "02:00:00:00:00:09"}
        self.make()
        for path, body, status in (
            ("", attachment(), 200),
            ("/features/ch1", feature, 200),
            ("/routes/10.2.0.0%2F16", {"via": "channels"}, 200),
            ("/neighbours/10.1.0.9", neighbour, 204),
        ):
            self.call("PUT", self.PATH + path, body)
            before = self.generation()
            tag = self.call("GET", self.PATH).headers["ETag"]
            again = self.call("PUT", self.PATH + path, body)
            self.assertEqual((again.status, again.headers["ETag"]), (status, tag), path)
            self.assertEqual(self.generation(), before, path)
