"""Channels, their keys, and ports."""

import json

from api_case import SAK128, SAK256, ApiTest
from api_daemon import CHANNELS


class Keys(ApiTest):
    def channel(self, name="ch1", edge="aws"):
        return f"/edges/{edge}/channels/{name}"

    def tearDown(self):
        for name in CHANNELS:
            path = self.channel(name)
            now = self.ok("GET", path)
            for sa in now["tx_sas"]:
                self.ok("DELETE", f"{path}/tx-sas/{sa['an']}", status=204)
            for sc in now["rx_scs"]:
                self.ok("DELETE", f"{path}/rx-scs/{sc['sci']}", status=204)

    def test_transmit(self):
        path = self.channel()
        made = self.ok("POST", path + "/tx-sas", {"an": 0, "sak": SAK256[0]}, status=201)
        self.assertEqual([(sa["an"], sa["encoding"]) for sa in made["tx_sas"]], [(0, True)])
        self.ok("POST", path + "/tx-sas", {"an": 2, "sak": SAK256[1], "next_pn": 500}, status=201)
        whole = self.ok("PATCH", path + "/tx-sas", {"encoding_an": 2})
        encoding = {sa["an"]: sa["encoding"] for sa in whole["tx_sas"]}
        self.assertEqual(encoding, {0: False, 2: True})
        self.ok("DELETE", path + "/tx-sas/0", status=204)
        before = self.state()
        for status, body, field in (
            (409, {"an": 2, "sak": SAK256[2]}, None),
            (409, {"an": 1, "sak": SAK256[1]}, None),
            (400, {"an": 4, "sak": SAK256[2]}, "an"),
            (400, {"an": 1, "sak": SAK128}, "sak"),
            (400, {"an": 1, "sak": "x" * 64}, "sak"),
            (400, {"an": 1, "sak": SAK256[2], "next_pn": 0}, "next_pn"),
            (400, {"an": 1, "sak": SAK256[2], "next_pn": 2**32}, "next_pn"),
            (400, {"an": 1}, "sak"),
        ):
            code = "conflict" if status == 409 else "invalid"
            reply = self.refused(status, code, "POST", path + "/tx-sas", body, field)
            self.assertNotIn(body.get("sak", "-"), reply.text.replace(SAK128 * 2, ""))
        self.refused(404, "not_found", "PATCH", path + "/tx-sas", {"encoding_an": 3})
        self.refused(404, "not_found", "DELETE", path + "/tx-sas/3")
        self.refused(400, "invalid", "DELETE", path + "/tx-sas/7")
        self.assertEqual(self.state(), before)

    def test_receive(self):
        path = self.channel("ch4")
        sci = "0200000000010001"
        sas = f"{path}/rx-scs/{sci}/sas"
        self.refused(404, "not_found", "POST", sas, {"an": 0, "sak": SAK128})
        made = self.ok("POST", path + "/rx-scs", {"sci": sci}, status=201)
        self.assertEqual([sc["sci"] for sc in made["rx_scs"]], [sci])
        self.refused(409, "conflict", "POST", path + "/rx-scs", {"sci": sci})
        self.refused(400, "invalid", "POST", path + "/rx-scs", {"sci": "02"}, "sci")
        made = self.ok("POST", sas, {"an": 3, "sak": SAK128, "lowest_pn": 7}, status=201)
        self.assertEqual(made["rx_scs"][0]["sas"][0]["lowest_pn"], 7)
        self.refused(409, "conflict", "POST", sas, {"an": 3, "sak": SAK128})
        self.refused(400, "invalid", "POST", sas, {"an": 2, "sak": SAK256[0]}, "sak")
        self.ok("DELETE", sas + "/3", status=204)
        self.refused(404, "not_found", "DELETE", sas + "/3")
        self.ok("DELETE", f"{path}/rx-scs/{sci}", status=204)
        self.refused(404, "not_found", "DELETE", f"{path}/rx-scs/{sci}")
        self.refused(400, "invalid", "DELETE", f"{path}/rx-scs/xyz")

    def test_saks_are_shown_nowhere(self):
        path = self.channel("ch2")
        self.ok("POST", path + "/tx-sas", {"an": 1, "sak": SAK256[9]}, status=201)
        texts = [
            self.daemon.call("GET", place).text
            for place in (path, "/counters", "/status", "/edges/aws/channels")
        ]
        self.assertTrue(all(SAK256[9] not in text for text in texts))
        self.assertEqual(len(json.loads(texts[0])["tx_sas"][0]["fingerprint"]), 16)
        self.assertNotIn(SAK256[9], self.daemon.log())


class ChannelsAndPorts(ApiTest):
    def test_channel_admin_state(self):
        path = "/edges/aws/channels/ch3"
        for state in ("drain", "down", "up"):
            self.assertEqual(self.ok("PATCH", path, {"admin_state": state})["admin_state"], state)
        for bad in ({}, {"admin_state": "off"}, {"admin_state": 1}, {"admin_state": "up", "x": 1}):
            self.refused(400, "invalid", "PATCH", path, bad)
        self.assertEqual(self.ok("GET", path)["admin_state"], "up")

    def test_port_admin_state(self):
        path = "/edges/aws/ports/aws-b"
        for state in ("down", "up"):
            self.assertEqual(self.ok("PATCH", path, {"admin_state": state})["admin_state"], state)
        self.refused(400, "invalid", "PATCH", path, {"admin_state": "drain"}, "admin_state")
        self.refused(404, "not_found", "PATCH", "/edges/gcp/ports/aws-b", {"admin_state": "up"})

    def test_traffic(self):
        path = "/edges/aws/ports/aws-b/traffic"
        stream = {
            "source": "10.1.0.2",
            "destination": "10.2.0.2",
            "rate_bps": 64000,
            "sizes": [{"ip_bytes": 64, "weight": 7}, {"ip_bytes": 1500}],
        }
        spec = {"tag": 7, "addresses": ["10.1.0.2"], "streams": [stream]}
        report = self.ok("PUT", path, spec)
        self.assertEqual(report["spec"]["streams"][0]["flows"], 64)
        for change in ({"tag": -1}, {"streams": [{}]}, {"addresses": ["x"]}, {"vlan": 4095}):
            self.refused(400, "invalid", "PUT", path, dict(spec, **change))
        self.assertEqual(self.ok("GET", path)["spec"], report["spec"])
        self.ok("PUT", path, dict(spec, streams=[]))
        self.refused(409, "conflict", "PUT", "/edges/aws/ports/aws-ch1/traffic", spec)
        self.refused(409, "conflict", "GET", "/edges/aws/ports/aws-ch1/traffic")
