"""What the cases of test_api.py share: the daemon under test and ways to ask it."""

import unittest

SAK256 = ["%064x" % (0xA5A5 << 200 | n) for n in range(16)]
SAK128 = "00112233445566778899aabbccddeeff"


def attachment(name="c1", **changes):
    spec = {
        "name": name,
        "port": "aws-a",
        "addresses": ["10.1.0.1/24", "fd00:1::1/64"],
        "features": {
            "ch1": {
                "vlan": 1025,
                "addresses": ["169.254.1.1/30", "fd00:ffff:1::1/64"],
                "peer_ipv4": "169.254.1.2",
                "peer_ipv6": "fd00:ffff:1::2",
            }
        },
        "routes": [{"prefix": "10.2.0.0/16", "via": "channels"}],
    }
    spec.update(changes)
    return spec


class ApiTest(unittest.TestCase):
    daemon = None  # one for all cases, set by test_api.py

    def setUp(self):
        for edge in ("aws", "gcp"):
            for item in self.ok("GET", f"/edges/{edge}/attachments")["attachments"]:
                self.ok("DELETE", f"/edges/{edge}/attachments/{item['name']}", status=204)

    def ok(self, verb, path, body=None, status=200):
        reply = self.daemon.call(verb, path, body)
        self.assertEqual(reply.status, status, f"{verb} {path}: {reply.text}")
        return reply.json

    def refused(self, status, code, verb, path, body=None, field=None):
        reply = self.daemon.call(verb, path, body)
        self.assertEqual(reply.status, status, f"{verb} {path}: {reply.text}")
        self.assertEqual(reply.error["code"], code)
        self.assertTrue(reply.error["message"])
        if field is not None:
            self.assertEqual(reply.error.get("field"), field, reply.text)
        return reply

    def make(self, **changes):
        return self.ok("POST", "/edges/aws/attachments", attachment(**changes), status=201)

    def state(self):
        """All that a change could change, without what counts by itself."""
        found = {}
        for edge in ("aws", "gcp"):
            for kind in ("attachments", "channels", "ports", "neighbours"):
                found[edge, kind] = self.ok("GET", f"/edges/{edge}/{kind}")[kind]
            for item in found[edge, "attachments"]:
                name = item["name"]
                item.pop("counters")
                item["routes"] = self.ok("GET", f"/edges/{edge}/attachments/{name}/routes")
            for channel in found[edge, "channels"]:
                for part in (channel, *channel["tx_scs"], *channel["tx_sas"]):
                    for field in list(part):
                        if field.startswith("out_") or field == "next_pn":
                            del part[field]
            for port in found[edge, "ports"]:
                for field in list(port):
                    if field.startswith(("rx_", "tx_")):
                        del port[field]
            for item in found[edge, "neighbours"]:
                item.pop("confirmed_ms_ago", None)
        return found
