"""The OpenAPI file against a running daemon: docs/openapi.json is what is served, every operation
does what it says, refuses what its schemas refuse, and answers as they say.

    test_openapi.py ISTHMUSD DOCS/OPENAPI.JSON [unittest's own arguments]

After a change of the API: curl .../v1/openapi.json | python3 -m json.tool --indent 1 > docs/openapi.json
"""

import copy
import json
import os
import sys
import unittest
from urllib.parse import quote

import jsonschema
from api_case import SAK256, attachment
from api_daemon import Daemon

PROGRAM = FILE = None
SCI = "0200000000010001"
TRAFFIC = {
    "tag": 7,
    "addresses": ["10.1.0.2"],
    "streams": [{"source": "10.1.0.2", "destination": "10.2.0.2", "rate_bps": 64000,
                 "sizes": [{"ip_bytes": 64, "weight": 1}]}],
}
PLACES = {"edge": "aws", "port": "aws-b", "channel": "ch1", "name": "c1", "prefix": "10.2.0.0/16",
          "address": "10.1.0.9", "sci": SCI, "an": "0"}
QUERIES = {"limit": "1", "after": "10.0.0.0/8", "name_prefix": "c", "port": "aws-a",
           "interconnect": "to-gcp", "channel": "ch1", "attachment": "c1", "within": "10.0.0.0/8",
           "covers": "10.2.3.4", "via": "channels", "since": "1", "name": "c1",
           "from": "2026-11-28T00:00:00Z", "to": "2126-11-28T00:00:00+01:00"}
CURSORS = {"/v1/edges/{edge}/usage": "1795867200000.1"}
# A good body for each schema that a request can have.
BODIES = {
    "PortState": {"admin_state": "up"},
    "ChannelState": {"admin_state": "up"},
    "Traffic": TRAFFIC,
    "TxSa": {"an": 0, "sak": SAK256[0], "next_pn": 9},
    "RxSa": {"an": 0, "sak": SAK256[1], "lowest_pn": 2, "in_use": True},
    "EncodingAn": {"encoding_an": 0},
    "RxSc": {"sci": SCI},
    "InUse": {"in_use": True},
    "Attachment": attachment(
        "c1", interconnect="to-gcp", vlan=0, mtu=1500, mss_clamp="auto",
        limits={"egress": {"rate_bps": 10**6, "burst_us": 50000, "peak_bps": 2 * 10**6,
                           "excess_dscp": 8}, "ingress": None}),
    "Feature": attachment()["features"]["ch1"],
    "Route": {"prefix": "10.9.0.0/16", "via": "vpc", "next_hop": "10.1.0.9"},
    "RouteVia": {"via": "channels"},
    "RouteChange": {"add": [{"prefix": "10.8.0.0/16", "via": "channels"}], "remove": []},
    "Limits": {"egress": {"rate_bps": 10**6}, "ingress": None},
    "Document": {"edges": [{
        "name": "aws",
        "ports": [{"name": "aws-b", "admin_state": "up"}],
        "channels": [{
            "name": "ch1", "admin_state": "up", "rx_scs": [SCI],
            "keys": {"tx": [{"an": 0, "sak": SAK256[0], "next_pn": 9}],
                     "rx": {SCI: [{"an": 0, "sak": SAK256[1], "lowest_pn": 2, "in_use": True}]}}}],
        "attachments": [{
            **attachment("c1", interconnect="to-gcp", vlan=0, mtu=1500, mss_clamp="auto",
                         limits={"egress": {"rate_bps": 10**6}, "ingress": None}),
            "neighbours": [{"address": "169.254.1.2", "mac": "02:00:00:00:00:02",
                            "channel": "ch1"}]}]}]},
    "Neighbour": {"mac": "02:00:00:00:00:09"},
}
BODIES["AttachmentPut"] = BODIES["Attachment"]


class Walk(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(PROGRAM, state="state.db")  # else usage is not metered
        cls.daemon.__enter__()
        cls.addClassCleanup(cls.daemon.__exit__)
        cls.doc = cls.daemon.call("GET", "/openapi.json").json
        cls.schemas = cls.doc["components"]["schemas"]

    def operations(self):
        for path, operations in self.doc["paths"].items():
            for verb, operation in operations.items():
                # test_events.py reads the stream, which has no end.
                if path != "/v1/watch":
                    yield verb, path, operation

    def find(self, ref):
        found = self.doc
        for part in ref[2:].split("/"):
            found = found[part]
        return found

    def resolved(self, schema):
        while "$ref" in schema:
            schema = self.find(schema["$ref"])
        return schema

    def validate(self, value, schema):
        whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema,
                 "components": self.doc["components"]}
        jsonschema.Draft202012Validator(whole).validate(value)

    def call(self, verb, path, operation, body=None, query="", headers=None):
        """The reply, which has to be one that the operation has."""
        for name, value in PLACES.items():
            path = path.replace("{%s}" % name, quote(value, safe=""))
        data = None if body is None else json.dumps(body).encode()
        reply = self.daemon.raw(verb.upper(), path + query, data, headers)
        where = f"{verb} {path}{query} {str(data)[:300]}: {reply.status} {reply.text[:500]}"
        self.assertIn(str(reply.status), operation["responses"], where)
        answer = self.resolved(operation["responses"][str(reply.status)])
        content = answer.get("content", {}).get("application/json")
        if reply.status == 204:
            self.assertEqual(reply.text, "", where)
        elif content:
            self.validate(reply.json, content["schema"])
        return reply, where

    def body_of(self, operation):
        content = operation.get("requestBody", {}).get("content", {})
        return content.get("application/json", {}).get("schema", {}).get("$ref", "").split("/")[-1]

    def prepare(self):
        """What the paths name is there, and nothing else."""
        for verb, path, body in (
            ("DELETE", "/attachments/c1", None),
            ("DELETE", "/channels/ch1/tx-sas/0", None),
            ("DELETE", f"/channels/ch1/rx-scs/{SCI}", None),
        ):
            self.daemon.call(verb, "/edges/aws" + path, body)
        for path, body in (
            ("/attachments", attachment("c1")),
            ("/channels/ch1/rx-scs", {"sci": SCI}),
            (f"/channels/ch1/rx-scs/{SCI}/sas", BODIES["RxSa"]),
            ("/channels/ch1/tx-sas", dict(BODIES["TxSa"], sak=self.next_sak())),
        ):
            reply = self.daemon.call("POST", "/edges/aws" + path, body)
            self.assertEqual(reply.status, 201, reply.text)
        reply = self.daemon.call("PUT", "/edges/aws/attachments/c1/neighbours/10.1.0.9",
                                 BODIES["Neighbour"])
        self.assertEqual(reply.status, 204, reply.text)

    saks = 0

    def next_sak(self):
        Walk.saks += 1
        return "%064x" % (0x5A << 240 | Walk.saks)

    def make_room(self, verb, path):
        """For a POST of what prepare() has made."""
        if verb != "post":
            return
        if path.endswith("/attachments"):
            self.daemon.call("DELETE", "/edges/aws/attachments/c1")
        elif path.endswith("/tx-sas"):
            self.daemon.call("DELETE", "/edges/aws/channels/ch1/tx-sas/0")
        elif path.endswith("/rx-scs"):
            self.daemon.call("DELETE", f"/edges/aws/channels/ch1/rx-scs/{SCI}")
        elif path.endswith("/sas"):
            self.daemon.call("DELETE", f"/edges/aws/channels/ch1/rx-scs/{SCI}/sas/0")

    def good_body(self, operation, verb="", path=""):
        body = copy.deepcopy(BODIES.get(self.body_of(operation)))
        if verb == "post" and path.endswith("/tx-sas"):
            body["sak"] = self.next_sak()
        return body

    def test_file_is_what_is_served(self):
        with open(FILE, encoding="utf-8") as file:
            self.assertEqual(json.load(file), self.doc, "docs/openapi.json is out of date")
        self.assertEqual(self.doc["openapi"], "3.1.0")

    def test_schemas_are_schemas(self):
        used = set()

        def walk(value):
            if isinstance(value, dict):
                if isinstance(value.get("$ref"), str):
                    self.find(value["$ref"])
                    used.add(value["$ref"].split("/")[-1])
                for item in value.values():
                    walk(item)
            elif isinstance(value, list):
                for item in value:
                    walk(item)

        walk(self.doc)
        for name, schema in self.schemas.items():
            jsonschema.Draft202012Validator.check_schema(schema)
            self.assertIn(name, used, f"schema {name} is used nowhere")
            if schema.get("type") == "object" and "properties" in schema:
                self.assertIs(schema["additionalProperties"], False, name)
        ids = [operation["operationId"] for _, _, operation in self.operations()]
        self.assertEqual(len(ids), len(set(ids)))

    def value(self, path, name):
        return CURSORS.get(path, QUERIES["after"]) if name == "after" else QUERIES[name]

    def test_good_requests(self):
        for verb, path, operation in self.operations():
            with self.subTest(verb=verb, path=path):
                self.prepare()
                self.make_room(verb, path)
                body = self.good_body(operation, verb, path)
                if body is not None:
                    schema = operation["requestBody"]["content"]["application/json"]["schema"]
                    self.validate(body, schema)
                query = ""
                if verb == "get":
                    names = [p["name"] for p in operation["parameters"] if p.get("in") == "query"]
                    query = "?" + "&".join(f"{n}={quote(self.value(path, n), safe='')}"
                                           for n in names)
                reply, where = self.call(verb, path, operation, body, query if query != "?" else "")
                self.assertLess(reply.status, 300, where)
                if body is not None and verb != "delete":
                    self.prepare()
                    self.make_room(verb, path)
                    self.call(verb, path, operation, None)

    def test_wrong_paths_queries_and_conditions(self):
        self.prepare()
        for verb, path, operation in self.operations():
            body = self.good_body(operation)
            with self.subTest(verb=verb, path=path):
                reply, where = self.call(verb, path, operation, body, "?nonsense=1")
                self.assertEqual((reply.status, reply.error["field"]), (400, "query"), where)
                for headers, status in (({"If-Match": '"other"'}, 412), ({"If-Match": "x"}, 400)):
                    reply, where = self.call(verb, path, operation, body, headers=headers)
                    self.assertEqual(reply.status, status, where)
                    self.assertEqual(reply.error["field"], "If-Match", where)
                if body is not None:
                    reply, where = self.call(verb, path, operation, body,
                                             headers={"Content-Type": "text/plain"})
                    self.assertEqual(reply.status, 415, where)
                for parameter in operation["parameters"]:
                    if parameter.get("in") == "query":
                        name = parameter["name"]
                        if name in ("after", "name_prefix") and \
                                "routes" not in path and path not in CURSORS:
                            continue
                        if name in ("name_prefix", "expect"):
                            continue
                        reply, where = self.call(verb, path, operation, body, f"?{name}=%21")
                        self.assertIn(reply.status, (400, 404), where)
                        self.assertEqual(reply.error["field"], name, where)
                    elif parameter.get("in") == "path":
                        name = parameter["name"]
                        wrong = path.replace("{%s}" % name, "9" if name == "an" else "xyz")
                        if "name" == name and operation["requestBody" if body else "responses"] and \
                                verb == "put" and path.endswith("{name}"):
                            continue  # makes it
                        reply, where = self.call(verb, wrong, operation, body)
                        self.assertIn(reply.status, (400, 404), where)

    def wrong_values(self, schema, value):
        """Values that a schema refuses."""
        schema = self.resolved(schema)
        yield {"nonsense": 1} if schema.get("type") != "object" else 5
        if schema.get("type") == "integer":
            yield "1"
            if schema["minimum"] > 0:
                yield schema["minimum"] - 1
            yield -1
            if schema["maximum"] < 2**64 - 1:
                yield schema["maximum"] + 1
            yield 1.5
        if "pattern" in schema:
            yield ""
            yield "?"
            yield "0" * 300
        if "enum" in schema:
            yield "nonsense"
        if schema.get("type") == "boolean":
            yield 1
        if schema.get("type") == "array" and value and schema.get("maxItems", 10**9) <= 1024:
            yield value * (schema["maxItems"] + 1)

    def mutations(self, schema, value, path=""):
        """(field, how a value of this place becomes wrong)"""
        schema = self.resolved(schema)
        if "anyOf" in schema:
            for option in schema["anyOf"]:
                if "$ref" in option and value is not None:
                    yield from self.mutations(option, value, path)
            return
        for wrong in self.wrong_values(schema, value):
            yield path, wrong
        if isinstance(value, list):
            for n, item in enumerate(value):
                for field, wrong in self.mutations(schema["items"], item, f"{path}[{n}]"):
                    yield field, [*value[:n], wrong, *value[n + 1 :]]
        if not isinstance(value, dict):
            return
        dot = path + "." if path else ""
        names = schema.get("properties", {})
        if names:
            yield dot + "nonsense", {**value, "nonsense": 1}
        for name in schema.get("required", ()):
            if name in value:
                yield dot + name, {k: v for k, v in value.items() if k != name}
        for name, item in value.items():
            inner = names.get(name) or schema.get("additionalProperties")
            for field, wrong in self.mutations(inner, item, dot + name):
                yield field, {**value, name: wrong}

    def test_wrong_bodies(self):
        self.prepare()
        count = 0
        for verb, path, operation in self.operations():
            if "requestBody" not in operation:
                continue
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            good = self.good_body(operation, verb, path)
            self.prepare()
            self.make_room(verb, path)
            for field, wrong in self.mutations(schema, good):
                with self.subTest(verb=verb, path=path, field=field, body=str(wrong)[:200]):
                    with self.assertRaises(jsonschema.ValidationError):
                        self.validate(wrong, schema)
                    reply, where = self.call(verb, path, operation, wrong)
                    self.assertEqual(reply.status, 400, where)
                    found = reply.error.get("field", "")
                    # A list that is too long may be refused by what is in it.
                    self.assertTrue(found == (field or "body") or found.startswith(field + "["), where)
                count += 1
            self.check_names(verb, path, operation, schema, good)
        print(f"{count} wrong bodies refused", file=sys.stderr)

    def check_names(self, verb, path, operation, schema, good):
        """What the daemon says of an unknown field lists all fields that there are."""
        reply, where = self.call(verb, path, operation, {**good, "nonsense": 1})
        names = set(reply.error["limit"].split(", "))
        self.assertEqual(names, set(self.resolved(schema)["properties"]), where)


def main():
    global PROGRAM, FILE
    PROGRAM, FILE = os.path.abspath(sys.argv.pop(1)), sys.argv.pop(1)
    unittest.main()


if __name__ == "__main__":
    main()
