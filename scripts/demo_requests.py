"""What the demo asks the control socket for: attachments, routes, limits, channels, SAs, traffic."""

import secrets
import time

from demo_counters import CHANNELS, CUSTOMERS, DIRECTIONS, EDGES, other

# Both customers use these prefixes; only the attachment tells their packets apart.
VPC_NET = {"aws": 1, "gcp": 2}
TAG = {"a": 0xA, "b": 0xB}
# The simple IMIX of 64, 576 and 1500 octets in 7:4:1. The generator's mark does not fit into 64
# octets behind an IPv6 and a UDP header, so that the smallest IPv6 packet has 80.
IMIX = {4: ((64, 7), (576, 4), (1500, 1)), 6: ((80, 7), (576, 4), (1500, 1))}
SAK_OCTETS, SALT_OCTETS = 32, 12  # of GCM-AES-XPN-256
# Long enough for the pauses that a busy virtual machine makes.
BURST_US = 50_000


def host_addresses(edge):
    net = VPC_NET[edge]
    return f"10.{net}.0.10", f"fd00:{net}::10"


class Requests:
    """Of both edges, by one client."""

    def __init__(self, client, limits):
        self.client = client
        self.limits = dict(limits)  # in force now

    def attach(self, customer, edge):
        """The whole attachment in one request: addresses, limits, features, routes."""
        number = 1 + CUSTOMERS.index(customer)
        here, there = VPC_NET[edge], VPC_NET[other(edge)]
        features = {}
        for n, channel in enumerate(CHANNELS, start=1):
            link4, link6 = f"169.254.{number}{n}", f"fd00:ffff:{number}:{n}:"
            features[channel] = {
                "vlan": 1024 + number,
                "addresses": [f"{link4}.{here}/30", f"{link6}:{here}/64"],
                "peer_ipv4": f"{link4}.{there}",
                "peer_ipv6": f"{link6}:{there}",
            }
        self.client.call(
            "POST",
            f"/v1/edges/{edge}/attachments",
            {
                "name": f"customer-{customer}",
                "port": f"{edge}-{customer}",
                "addresses": [f"10.{here}.0.1/24", f"fd00:{here}::1/64"],
                "features": features,
            },
        )

    def route(self, customer, edge):
        there = VPC_NET[other(edge)]
        prefixes = (f"10.{there}.0.0/24", f"fd00:{there}::/64")
        self.client.call(
            "PATCH",
            f"/v1/edges/{edge}/attachments/customer-{customer}/routes",
            {"add": [{"prefix": prefix, "via": "channels"} for prefix in prefixes], "remove": []},
        )

    def limit(self, customer, bps):
        """The same limit at both edges in both directions; 0 takes it away."""
        limit = {"rate_bps": int(bps), "burst_us": BURST_US} if bps else None
        for edge in EDGES:
            self.client.call(
                "PATCH",
                f"/v1/edges/{edge}/attachments/customer-{customer}/limits",
                {"egress": limit, "ingress": limit},
            )
        self.limits[customer] = bps

    def channel_path(self, edge, channel):
        return f"/v1/edges/{edge}/channels/{channel}"

    def admin(self, channel, state):
        for edge in EDGES:
            self.client.call("PATCH", self.channel_path(edge, channel), {"admin_state": state})

    def add_sa(self, sender, receiver, channel, an):
        """A fresh SAK; the receiver gets it, for every SC of the sender, before that uses it."""
        rx, tx = self.channel_path(receiver, channel), self.channel_path(sender, channel)
        secure = {
            "an": an,
            "sak": secrets.token_hex(SAK_OCTETS),
            "salt": secrets.token_hex(SALT_OCTETS),
            "ssci": 1,  # the SAK is used in one direction only
        }
        known = [sc["sci"] for sc in self.client.get(rx)["rx_scs"]]
        for number, sci in enumerate(self.sender_scis(sender, channel)):
            if sci not in known:
                self.client.call("POST", f"{rx}/rx-scs", {"sci": sci})
            self.client.call("POST", f"{rx}/rx-scs/{sci}/sas", {**secure, "ssci": 1 + number})
        self.client.call("POST", f"{tx}/tx-sas", secure)

    def sender_scis(self, sender, channel):
        """One for each worker of the sender."""
        return [sc["sci"] for sc in self.client.get(self.channel_path(sender, channel))["tx_scs"]]

    def move_to_sa(self, sender, receiver, channel, old, new):
        rx, tx = self.channel_path(receiver, channel), self.channel_path(sender, channel)
        self.client.call("PATCH", f"{tx}/tx-sas", {"encoding_an": new})
        self.client.call("DELETE", f"{tx}/tx-sas/{old}")
        time.sleep(0.01)  # what was sent before the change is still on its way
        for sci in self.sender_scis(sender, channel):
            self.client.call("DELETE", f"{rx}/rx-scs/{sci}/sas/{old}")

    def install_sas(self, channel, an):
        for sender, receiver in DIRECTIONS:
            self.add_sa(sender, receiver, channel, an)

    def replace_sas(self, channel, old, new):
        self.install_sas(channel, new)
        for sender, receiver in DIRECTIONS:
            self.move_to_sa(sender, receiver, channel, old, new)

    def offer(self, customer, bps):
        """Traffic in both directions: two thirds IPv4, one third IPv6; None stops it."""
        for edge in EDGES:
            here, there = host_addresses(edge), host_addresses(other(edge))
            streams = []
            if bps is not None:
                for version, share, source, destination in (
                    (4, 2, here[0], there[0]),
                    (6, 1, here[1], there[1]),
                ):
                    sizes = [{"ip_bytes": size, "weight": n} for size, n in IMIX[version]]
                    streams.append(
                        {
                            "source": source,
                            "destination": destination,
                            "rate_bps": int(bps * share / 3),
                            "flows": 64,
                            "sizes": sizes,
                        }
                    )
            self.client.call(
                "PUT",
                f"/v1/edges/{edge}/ports/{edge}-{customer}/traffic",
                {"tag": TAG[customer], "addresses": list(here), "streams": streams},
            )
