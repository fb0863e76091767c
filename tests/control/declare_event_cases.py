"""What a document changes is told as the requests for its parts are."""

from declare_case import OTHER_SAK, SAK, DeclareTest, attachment, on_vlan

SCI = "0200000000020001"
FEATURE = {"vlan": 1026, "addresses": ["169.254.2.1/30"], "peer_ipv4": "169.254.2.2"}
ON_LINK = {"address": "169.254.1.2", "mac": "02:00:00:00:00:02", "channel": "ch1"}
HOST = {"address": "10.1.0.9", "mac": "02:00:00:00:00:09"}
PATH = "/edges/aws"
ACME = PATH + "/attachments/acme"
# What follows by itself, sooner or later.
CONSEQUENCES = ("channel_up", "channel_down", "capacity_short", "capacity_restored",
                "neighbour_learnt", "neighbour_moved", "neighbour_lost")


def acme(**changes):
    return attachment("acme", 1, **{"neighbours": [ON_LINK], "limits": {}, **changes})


def edge(attachments=None, ch1=None, port="up"):
    return [{"name": "aws", "attachments": [acme()] if attachments is None else attachments,
             "channels": [{"name": "ch1", "admin_state": "up", "rx_scs": [], **(ch1 or {})}],
             "ports": [{"name": "aws-b", "admin_state": port}]}]


def without_neighbours(spec):
    return {name: value for name, value in spec.items() if name != "neighbours"}


BETA = on_vlan(attachment("beta", 1), 5)
LIMITS = {"egress": {"rate_bps": 10**8}, "ingress": {"rate_bps": 2 * 10**8}}
MOVED = on_vlan(acme(neighbours=[]), 7)
ROUTES = [{"prefix": "10.3.0.0/16", "via": "channels"}, {"prefix": "10.4.0.0/16", "via": "blackhole"}]
FEATURES = {**acme()["features"], "ch2": FEATURE}
TX, RX = {"an": 1, "sak": SAK}, {"an": 2, "sak": OTHER_SAK}
# The kinds, the requests, and the document that does the same.
CASES = (
    (["attachment_added"], [("POST", PATH + "/attachments", BETA)], edge([acme(), BETA])),
    (["attachment_removed"], [("DELETE", ACME, None)], edge([])),
    (["attachment_changed"], [("PATCH", ACME + "/limits", LIMITS)], edge([acme(limits=LIMITS)])),
    (["attachment_changed"], [("PATCH", ACME + "/limits", {"egress": LIMITS["egress"]})],
     edge([acme(limits={"egress": LIMITS["egress"]})])),
    (["attachment_changed"] * 2,
     [("PUT", ACME + "/features/ch2", FEATURE), ("PUT", ACME + "/neighbours/10.1.0.9",
                                                 {"mac": HOST["mac"]})],
     edge([acme(features=FEATURES, neighbours=[ON_LINK, HOST])])),
    (["attachment_changed"], [("DELETE", ACME + "/neighbours/169.254.1.2?channel=ch1", None)],
     edge([acme(neighbours=[])])),
    (["attachment_changed"], [("DELETE", ACME + "/features/ch1", None)],
     edge([acme(features={}, neighbours=[])])),
    (["attachment_changed"], [("PUT", ACME, without_neighbours(MOVED))], edge([MOVED])),
    (["routes_changed"], [("PATCH", ACME + "/routes", {"add": ROUTES, "remove": ["10.2.0.0/16"]})],
     edge([acme(routes=ROUTES)])),
    (["port_admin"], [("PATCH", PATH + "/ports/aws-b", {"admin_state": "down"})],
     edge(port="down")),
    (["channel_admin"], [("PATCH", PATH + "/channels/ch1", {"admin_state": "drain"})],
     edge(ch1={"admin_state": "drain"})),
    (["rx_sc_added", "sa_installed", "sa_installed"],
     [("POST", PATH + "/channels/ch1/rx-scs", {"sci": SCI}),
      ("POST", f"{PATH}/channels/ch1/rx-scs/{SCI}/sas", RX),
      ("POST", PATH + "/channels/ch1/tx-sas", TX)],
     edge(ch1={"rx_scs": [SCI], "keys": {"tx": [TX], "rx": {SCI: [RX]}}})),
)


class EventCases(DeclareTest):
    def seen(self, since):
        return [(event["kind"], event["object"], event["message"], event.get("reason"))
                for event in self.get(f"/events?since={since}")["events"]
                if event["kind"] not in CONSEQUENCES]

    def last(self):
        return self.get("/events")["last"]

    def restore(self):
        self.daemon.call("DELETE", PATH + "/channels/ch1/tx-sas/1")
        self.apply(edge(), "?allow_removals=true")

    def test_told_as_requests_are(self):
        for kinds, requests, document in CASES:
            with self.subTest(requests[0][:2]):
                self.restore()
                since = self.last()
                for verb, path, body in requests:
                    reply = self.daemon.call(verb, path, body)
                    self.assertLess(reply.status, 300, reply.text)
                by_requests = self.seen(since)
                self.assertEqual(sorted(event[0] for event in by_requests), kinds)
                self.restore()
                since = self.last()
                self.apply(document, "?allow_removals=true")
                self.assertEqual(sorted(self.seen(since)), sorted(by_requests))
                self.assertFalse(self.apply(document).json["changed"])

    def test_removed_receive_sc(self):
        self.apply(edge(ch1={"rx_scs": [SCI], "keys": {"rx": {SCI: [RX]}}}))
        since = self.last()
        self.apply(edge(ch1={"rx_scs": []}), "?allow_removals=true")
        self.assertEqual([event[:2] for event in self.seen(since)], [("rx_sc_removed", "aws/ch1")])

    def test_a_refused_document_tells_nothing(self):
        self.restore()
        since = self.last()
        self.apply(edge([]), status=409)
        self.apply(edge([acme(vlan=5000)]), status=400)
        self.assertEqual(self.seen(since), [])

    def test_a_slot_that_is_given_on(self):
        """The old attachment goes and the new one comes, in one step."""
        self.restore()
        since = self.last()
        self.apply(edge([attachment("other", 1)]), "?allow_removals=true")
        self.assertEqual([event[:2] for event in self.seen(since)],
                         [("attachment_removed", "aws/acme"), ("attachment_added", "aws/other")])
