"""Channels, their keys, and ports."""

import json

from api_case import SAK128, SAK256, ApiTest
from api_daemon import CHANNELS


OPTIONS = (
    "cipher_suite cipher_suite_id protect_frames validate_frames encrypt confidentiality_offset "
    "include_sci tx_sc replay_protect replay_window duplicate_proof ether_type clear_ether_types "
    "clear_destinations vlan_in_clear pn_threshold"
).split()


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
        (sa,) = made["tx_sas"]
        self.assertEqual((sa["next_pn"], sa["pn_limit"]), (1, 2**24))
        self.assertEqual((sa["pending_exhaustion"], sa["exhausted"]), (False, False))
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

    def test_xpn(self):
        path = self.channel("ch3")
        sci = "0200000000010001"
        secure = {"an": 0, "sak": SAK256[3], "salt": "00112233445566778899AABB", "ssci": 9}
        made = self.ok("POST", path + "/tx-sas", secure, status=201)
        self.assertEqual(made["cipher_suite_id"], "0080c20001000004")
        self.assertEqual(made["tx_sas"][0]["ssci"], 9)
        self.assertEqual(made["tx_sas"][0]["pn_limit"], 2**24)
        self.ok("POST", path + "/rx-scs", {"sci": sci}, status=201)
        sas = f"{path}/rx-scs/{sci}/sas"
        before = self.state()
        for place, change, status, field in (
            ("/tx-sas", {"salt": None}, 400, "salt"),
            ("/tx-sas", {"ssci": None}, 400, "ssci"),
            ("/tx-sas", {"salt": "00112233445566778899aab"}, 400, "salt"),
            ("/tx-sas", {"ssci": 0}, 400, "ssci"),
            ("/tx-sas", {"ssci": 2**32}, 400, "ssci"),
            ("/tx-sas", {"next_pn": 2**64 - 2**16 + 1}, 400, "next_pn"),
            ("/tx-sas", {"in_use": True}, 400, "in_use"),
            ("/tx-sas", {}, 409, "sak"),
            (f"/rx-scs/{sci}/sas", {}, 409, "ssci"),
            (f"/rx-scs/{sci}/sas", {"ssci": 10, "in_use": 1}, 400, "in_use"),
        ):
            body = {**secure, "an": 1, **change}
            body = {name: value for name, value in body.items() if value is not None}
            code = "conflict" if status == 409 else "invalid"
            reply = self.refused(status, code, "POST", path + place, body, field)
            self.assertNotIn(SAK256[3], reply.text)
        self.assertEqual(self.state(), before)
        made = self.ok("POST", sas, {**secure, "ssci": 10, "in_use": False}, status=201)
        self.assertEqual(made["rx_scs"][0]["sas"][0]["in_use"], False)
        self.assertEqual(made["rx_scs"][0]["sas"][0]["ssci"], 10)
        for in_use in (True, False, True):
            whole = self.ok("PATCH", sas + "/0", {"in_use": in_use})
            self.assertEqual(whole["rx_scs"][0]["sas"][0]["in_use"], in_use)
        self.refused(404, "not_found", "PATCH", sas + "/1", {"in_use": True})
        self.refused(400, "invalid", "PATCH", sas + "/0", {"in_use": "yes"}, "in_use")
        self.refused(400, "invalid", "PATCH", sas + "/0", {})
        self.refused(400, "invalid", "POST", self.channel("ch1") + "/tx-sas", secure, "salt")

    def test_a_channel_shows_its_secy(self):
        shown = self.ok("GET", self.channel())
        self.assertEqual(
            {name: shown[name] for name in OPTIONS},
            {
                "cipher_suite": "GCM-AES-256",
                "cipher_suite_id": "0080c20001000002",
                "protect_frames": True,
                "validate_frames": "strict",
                "encrypt": True,
                "confidentiality_offset": 0,
                "include_sci": "always",
                "tx_sc": "per_worker",
                "replay_protect": True,
                "replay_window": 0,
                "duplicate_proof": False,
                "ether_type": "0x88e5",
                "clear_ether_types": ["0x888e"],
                "clear_destinations": [],
                "vlan_in_clear": False,
                "pn_threshold": 0xC0000000,
            },
        )
        for name in (
            "in_pkts_untagged in_pkts_no_tag in_pkts_bad_tag in_pkts_unknown_sci in_pkts_no_sci "
            "out_pkts_untagged out_pkts_too_long in_pkts_no_sa in_pkts_no_sa_error "
            "pn_pending_exhaustion pn_exhausted"
        ).split():
            self.assertEqual(shown[name], 0, name)

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
