"""What the demo reads from the daemon: snapshots, and what happened between two of them.

All rates come from differences of counters over the times at which they were read.
"""

import time

CUSTOMERS = ("a", "b")
EDGES = ("aws", "gcp")
# (sending edge, receiving edge)
DIRECTIONS = (("aws", "gcp"), ("gcp", "aws"))
CHANNELS = ("ch1", "ch2", "ch3", "ch4")


def other(edge):
    return "gcp" if edge == "aws" else "aws"


class Snapshot:
    """Counters at one moment. Each host's report has a time stamp of its own."""

    def __init__(self, client):
        self.hosts = {}
        self.host_time = {}
        for customer in CUSTOMERS:
            for edge in EDGES:
                before = time.monotonic()
                report = client.get(f"/v1/edges/{edge}/ports/{edge}-{customer}/traffic")
                self.host_time[customer, edge] = (before + time.monotonic()) / 2
                self.hosts[customer, edge] = report
        before = time.monotonic()
        counters = client.get("/v1/counters")
        self.time = (before + time.monotonic()) / 2
        self.host_stack = client.get("/v1/status")["host_stack"]
        self.accounting = {entry["edge"]: entry for entry in counters["accounting"]}
        self.attachments = {(a["name"], a["edge"]): a for a in counters["attachments"]}
        self.channels = {(c["name"], c["edge"]): c for c in counters["channels"]}
        self.ports = {port["name"]: port for port in counters["ports"]}

    def total(self, field):
        return sum(report[field] for report in self.hosts.values())

    def drops(self):
        """Packets per reason over both edges, what devices lost, and what the host stack gave up
        holding because a neighbour never answered."""
        sums = {"held": self.host_stack["held_packets_dropped"]}
        for entry in self.accounting.values():
            for reason, packets in entry["drops"].items():
                sums[reason] = sums.get(reason, 0) + packets
            lost = entry["device_rx_lost"] + entry["device_tx_lost"]
            sums["device"] = sums.get("device", 0) + lost
        return sums

    def meter(self, customer, edge, direction, field):
        return self.attachments[f"customer-{customer}", edge][direction][field]

    def missing_on_links(self):
        """Packets that one end of a link has sent and the other has not counted, when all is quiet:
        (hosts to edges, edges to edges, edges to hosts). Answers to ARP and ND count as well."""
        replies = self.total("arp_replies") + self.total("nd_replies")
        to_edges = self.total("sent_packets") + replies
        to_hosts = -replies
        for field in ("received_packets", "foreign_packets", "corrupt_packets", "other_packets"):
            to_hosts -= self.total(field)
        between = 0
        for name, port in self.ports.items():
            if name.split("-", 1)[1] in CUSTOMERS:
                to_edges -= port["rx_packets"]
                to_hosts += port["tx_packets"]
            else:
                between += port["tx_packets"] - port["rx_packets"]
        return to_edges, between, to_hosts

    def protected(self, channel, edge):
        return sum(sc["out_pkts_encrypted"] for sc in self.channels[channel, edge]["tx_scs"])

    def receive_errors(self):
        """802.1AE receive counters that must not move while keys change."""
        fields = ("in_pkts_late", "in_pkts_not_valid", "in_pkts_not_using_sa")
        return {
            field: sum(sc[field] for c in self.channels.values() for sc in c["rx_scs"])
            for field in fields
        }


class Interval:
    """From `first` to `last`."""

    def __init__(self, first, last):
        self.first = first
        self.last = last
        self.seconds = last.time - first.time

    def _host_rate(self, host, field):
        elapsed = self.last.host_time[host] - self.first.host_time[host]
        return self.host(*host, field) * 8 / elapsed

    def offered_bps(self, customer, source):
        return self._host_rate((customer, source), "sent_bytes")

    def delivered_bps(self, customer, source):
        """What the host at the far edge received of what `source` sent."""
        return self._host_rate((customer, other(source)), "received_bytes")

    def total_delivered_bps(self):
        return sum(self.delivered_bps(c, source) for c in CUSTOMERS for source, _ in DIRECTIONS)

    def host(self, customer, edge, field):
        return self.last.hosts[customer, edge][field] - self.first.hosts[customer, edge][field]

    def hosts(self, field):
        return self.last.total(field) - self.first.total(field)

    def drops(self):
        before = self.first.drops()
        after = self.last.drops()
        moved = {reason: after[reason] - before.get(reason, 0) for reason in after}
        return {reason: packets for reason, packets in moved.items() if packets}

    def lost(self):
        """Customers' packets that were neither delivered nor dropped by a meter: exact if both ends
        of the interval are quiet. Unlike the drop counters it leaves out the edges' own packets."""
        meters = sum(
            self.meter(customer, edge, direction, "meter_drop_packets")
            for customer in CUSTOMERS
            for edge in EDGES
            for direction in ("egress", "ingress")
        )
        return self.hosts("sent_packets") - self.hosts("received_packets") - meters

    def drops_but_meter(self):
        return sum(n for reason, n in self.drops().items() if not reason.startswith("meter_"))

    def meter(self, customer, edge, direction, field):
        where = (customer, edge, direction, field)
        return self.last.meter(*where) - self.first.meter(*where)

    def protected_pps(self, channel, edge):
        packets = self.last.protected(channel, edge) - self.first.protected(channel, edge)
        return packets / self.seconds

    def receive_errors(self):
        before = self.first.receive_errors()
        return sum(n - before[field] for field, n in self.last.receive_errors().items())
