"""Random changes through the API, each with what it makes of a model of the edge."""

import copy
import hashlib

EDGE = "/edges/aws"
CHANNELS = ("ch1", "ch2", "ch3", "ch4")
XPN = "ch3"
PORTS = ("aws-a", "aws-b")
SWITCHED = ("aws-ch1", "aws-ch2")  # with the others up all static neighbours are to be seen
PEERS = ("0200000000770001", "0200000000770002")


def empty_model():
    return {
        "attachments": {},
        "neighbours": {},
        "ports": {name: "up" for name in SWITCHED},
        "channels": {name: "up" for name in CHANNELS},
        "tx": {name: {} for name in CHANNELS},
        "rx": {name: {} for name in CHANNELS},
    }


def observed(call):
    """The same from what the API answers."""
    seen = empty_model()
    for listed in call("GET", f"{EDGE}/attachments").json["attachments"]:
        reply = call("GET", f"{EDGE}/attachments/{listed['name']}").json
        routes = {route.pop("prefix"): route for route in reply["routes"]}
        limits = {kind: limit for kind, limit in reply["limits"].items() if limit}
        features = {
            name: {key: value for key, value in feature.items() if value is not None}
            for name, feature in reply["features"].items()
        }
        kept = {key: reply[key] for key in ("port", "vlan", "mtu", "mss_clamp", "addresses")}
        seen["attachments"][reply["name"]] = kept | {
            "features": features,
            "limits": limits,
            "routes": routes,
        }
    for it in call("GET", f"{EDGE}/neighbours").json["neighbours"]:
        if it["state"] == "permanent":
            seen["neighbours"][it["attachment"], it["address"]] = it["mac"]
    for port in call("GET", f"{EDGE}/ports").json["ports"]:
        if port["name"] in SWITCHED:
            seen["ports"][port["name"]] = port["admin_state"]
    for channel in call("GET", f"{EDGE}/channels").json["channels"]:
        name = channel["name"]
        seen["channels"][name] = channel["admin_state"]
        for sa in channel["tx_sas"]:
            seen["tx"][name][sa["an"]] = {"key": sa["fingerprint"], "encoding": sa["encoding"]}
        for sc in channel["rx_scs"]:
            seen["rx"][name][sc["sci"]] = {
                sa["an"]: {"key": sa["fingerprint"], "in_use": sa["in_use"]} for sa in sc["sas"]
            }
    return seen


class Load:
    """changes(): verb, path, body, and the function that makes the change in a model."""

    def __init__(self, random):
        self.random = random
        self.model = empty_model()
        self.serial = 0

    def accept(self, edit):
        edit(self.model)

    def tried(self, edit):
        model = copy.deepcopy(self.model)
        edit(model)
        return model

    def prefixes(self, count):
        base = self.random.randrange(0, 65536 - count)
        return [f"10.{n >> 8}.{n & 255}.0/24" for n in range(base, base + count)]

    def route(self):
        return self.random.choice(
            ({"via": "channels"}, {"via": "blackhole"}, {"via": "vpc", "next_hop": "192.168.0.9"})
        )

    def limit(self):
        rate = self.random.randrange(1, 1000) * 1_000_000
        return {"rate_bps": rate, "burst_us": 5000}

    def feature(self, channel, number):
        return {
            "vlan": 1025 + number,
            "addresses": [f"169.254.{channel[2:]}.1/30"],
            "peer_ipv4": f"169.254.{channel[2:]}.2",
            "mtu": self.random.randrange(1280, 1501),
        }

    def any_attachment(self):
        names = sorted(self.model["attachments"])
        return self.random.choice(names) if names else None

    def attachment(self, number):
        channels = self.random.sample(CHANNELS, self.random.randrange(0, 3))
        return {
            "port": self.random.choice(PORTS),
            "vlan": 1 + number,
            "mtu": 1500,
            "mss_clamp": self.random.choice(("off", "auto", 1200)),
            "addresses": ["192.168.0.1/24"],
            "features": {name: self.feature(name, number) for name in channels},
            "limits": {"egress": self.limit()} if self.random.random() < 0.5 else {},
            "routes": {prefix: self.route() for prefix in self.prefixes(20)},
        }

    def change(self):
        """The next one that fits the model."""
        kinds = (
            self.add, self.add, self.replace, self.remove, self.set_feature, self.remove_feature,
            self.bulk_routes, self.bulk_routes, self.one_route, self.one_route, self.limits,
            self.neighbour, self.port, self.channel, self.tx_sa, self.tx_sa, self.rx_sa,
            self.rx_sa,
        )
        while True:
            made = self.random.choice(kinds)()
            if made:
                return made

    def add(self):
        number = self.random.randrange(24)
        name = f"c{number}"
        if name in self.model["attachments"]:
            return None
        spec = self.attachment(number)
        body = spec | {"name": name, "routes": rows(spec["routes"])}
        return "POST", f"{EDGE}/attachments", body, put(("attachments", name), spec)

    def replace(self):
        name = self.any_attachment()
        if not name:
            return None
        spec = self.attachment(int(name[1:]))
        body = spec | {"routes": rows(spec["routes"])}
        return "PUT", f"{EDGE}/attachments/{name}", body, put(("attachments", name), spec)

    def remove(self):
        name = self.any_attachment()

        def edit(model):
            del model["attachments"][name]
            for key in [key for key in model["neighbours"] if key[0] == name]:
                del model["neighbours"][key]

        return name and ("DELETE", f"{EDGE}/attachments/{name}", None, edit)

    def set_feature(self):
        name, channel = self.any_attachment(), self.random.choice(CHANNELS)
        if not name:
            return None
        feature = self.feature(channel, int(name[1:]))
        path = f"{EDGE}/attachments/{name}/features/{channel}"
        return "PUT", path, feature, put(("attachments", name, "features", channel), feature)

    def remove_feature(self):
        name = self.any_attachment()
        have = name and sorted(self.model["attachments"][name]["features"])
        if not have:
            return None
        channel = self.random.choice(have)
        path = f"{EDGE}/attachments/{name}/features/{channel}"
        return "DELETE", path, None, cut(("attachments", name, "features", channel))

    def bulk_routes(self):
        name = self.any_attachment()
        if not name:
            return None
        now = self.model["attachments"][name]["routes"]
        count = self.random.choice((10, 200, 2000))
        add = {prefix: self.route() for prefix in self.prefixes(count)}
        remove = [prefix for prefix in sorted(now) if prefix not in add and self.coin()]

        def edit(model):
            routes = model["attachments"][name]["routes"]
            for prefix in remove:
                del routes[prefix]
            routes.update(copy.deepcopy(add))

        body = {"add": rows(add), "remove": remove}
        return "PATCH", f"{EDGE}/attachments/{name}/routes", body, edit

    def one_route(self):
        name = self.any_attachment()
        if not name:
            return None
        now = sorted(self.model["attachments"][name]["routes"])
        prefix = self.random.choice(now) if now and self.coin() else self.prefixes(1)[0]
        path = f"{EDGE}/attachments/{name}/routes/{prefix.replace('/', '%2F')}"
        where = ("attachments", name, "routes", prefix)
        if prefix in now and self.coin():
            return "DELETE", path, None, cut(where)
        route = self.route()
        return "PUT", path, route, put(where, route)

    def limits(self):
        name = self.any_attachment()
        if not name:
            return None
        egress, ingress = self.limit(), self.limit() if self.coin() else None
        wanted = {"egress": egress} | ({"ingress": ingress} if ingress else {})
        path = f"{EDGE}/attachments/{name}/limits"
        body = {"egress": egress, "ingress": ingress}
        return "PATCH", path, body, put(("attachments", name, "limits"), wanted)

    def neighbour(self):
        name = self.any_attachment()
        if not name:
            return None
        address = f"192.168.0.{self.random.randrange(10, 20)}"
        path = f"{EDGE}/attachments/{name}/neighbours/{address}"
        if (name, address) in self.model["neighbours"]:
            return "DELETE", path, None, cut(("neighbours", (name, address)))
        mac = f"02:00:00:00:00:{self.random.randrange(1, 256):02x}"
        return "PUT", path, {"mac": mac}, put(("neighbours", (name, address)), mac)

    def port(self):
        name, state = self.random.choice(SWITCHED), self.random.choice(("up", "down"))
        return "PATCH", f"{EDGE}/ports/{name}", {"admin_state": state}, put(("ports", name), state)

    def channel(self):
        # The last one stays up, or there would be no capacity for limits.
        name, state = self.random.choice(CHANNELS[:3]), self.random.choice(("up", "drain", "down"))
        path = f"{EDGE}/channels/{name}"
        return "PATCH", path, {"admin_state": state}, put(("channels", name), state)

    def fresh_sa(self, channel, an):
        self.serial += 1
        octets = 16 if channel == "ch4" else 32
        sak = hashlib.sha512(f"{self.serial} {self.random.random()}".encode()).digest()[:octets]
        body = {"an": an, "sak": sak.hex()}
        if channel == XPN:
            body |= {"salt": hashlib.md5(sak).hexdigest()[:24], "ssci": 1}
        return body, hashlib.sha256(sak).hexdigest()[:16]

    def tx_sa(self):
        channel = self.random.choice(CHANNELS)
        now, an = self.model["tx"][channel], self.random.randrange(4)
        path = f"{EDGE}/channels/{channel}/tx-sas"
        if an not in now:
            body, key = self.fresh_sa(channel, an)
            entry = {"key": key, "encoding": not now}
            return "POST", path, body, put(("tx", channel, an), entry)
        if self.coin():

            def encode(model):
                for other, sa in model["tx"][channel].items():
                    sa["encoding"] = other == an

            return "PATCH", path, {"encoding_an": an}, encode
        if now[an]["encoding"] and len(now) > 1:
            return None
        return "DELETE", f"{path}/{an}", None, cut(("tx", channel, an))

    def rx_sa(self):
        channel, sci = self.random.choice(CHANNELS), self.random.choice(PEERS)
        now, an = self.model["rx"][channel], self.random.randrange(4)
        path = f"{EDGE}/channels/{channel}/rx-scs"
        if sci not in now:
            return "POST", path, {"sci": sci}, put(("rx", channel, sci), {})
        if self.random.random() < 0.1:
            return "DELETE", f"{path}/{sci}", None, cut(("rx", channel, sci))
        where, path = ("rx", channel, sci, an), f"{path}/{sci}/sas"
        if an not in now[sci]:
            body, key = self.fresh_sa(channel, an)
            body |= {"in_use": self.coin()}
            return "POST", path, body, put(where, {"key": key, "in_use": body["in_use"]})
        if self.coin():
            in_use = self.coin()
            return "PATCH", f"{path}/{an}", {"in_use": in_use}, put((*where, "in_use"), in_use)
        return "DELETE", f"{path}/{an}", None, cut(where)

    def coin(self):
        return self.random.random() < 0.5


def rows(routes):
    return [{"prefix": prefix} | route for prefix, route in routes.items()]


def put(where, value):
    def edit(model):
        for key in where[:-1]:
            model = model[key]
        model[where[-1]] = copy.deepcopy(value)

    return edit


def cut(where):
    def edit(model):
        for key in where[:-1]:
            model = model[key]
        del model[where[-1]]

    return edit
