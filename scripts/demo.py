"""The main job: two customers' VPCs joined across two edges, limited, encrypted and kept apart.

Talks to isthmusd only through its Unix socket, as an operator would. docs/demo.md describes the
report. Run it with scripts/demo.
"""

import argparse
import os
import signal
import sys
import time

from demo_counters import CHANNELS, CUSTOMERS, DIRECTIONS, EDGES, Interval, Snapshot
from demo_daemon import Daemon, DaemonError
from demo_report import Checks, LiveView
from demo_requests import Requests
from isthmus_client import ApiError, Client

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Demo(Requests):
    def __init__(self, client, limits, view):
        super().__init__(client, limits)
        self.view = view
        self.checks = Checks()
        self.figures = {}
        self.bought = dict(limits)  # bits per second, each direction
        self.started = time.monotonic()

    # --- time -----------------------------------------------------------------------------------

    def snapshot(self):
        return Snapshot(self.client)

    def run(self, seconds):
        """Shows the traffic once a second; returns what happened."""
        first = last = self.snapshot()
        end = first.time + seconds
        while last.time < end - 0.05:
            time.sleep(max(0.0, min(last.time + 1.0, end) - time.monotonic()))
            now = self.snapshot()
            self.view.show(self.started, self.limits, Interval(last, now))
            last = now
        return Interval(first, last)

    def settle(self):
        """Waits until nothing moves any more."""
        last = self.snapshot()
        for _ in range(50):
            time.sleep(0.1)
            now = self.snapshot()
            interval = Interval(last, now)
            if not interval.hosts("sent_packets") and not interval.hosts("received_packets"):
                return now
            last = now
        raise DaemonError("packets still arrive 5 s after the last one was sent")

    def quiet(self):
        for customer in CUSTOMERS:
            self.offer(customer, None)
        return self.settle()

    def resume(self):
        for customer, bps in self.steady_rate.items():
            self.offer(customer, bps)
        time.sleep(0.2)

    def await_channels(self):
        def waiting():
            for edge in EDGES:
                for channel in self.client.get(f"/v1/edges/{edge}/channels")["channels"]:
                    if not channel["usable"]:
                        yield f"{edge} {channel['name']}: {channel['reason']}"

        self.wait_for_none_of(waiting)

    def await_neighbours(self, hosts=False):
        """IPv4 and IPv6 peers of every customer on every channel, or its hosts in the VPC."""
        places = 1 if hosts else len(CHANNELS)

        def waiting():
            for edge in EDGES:
                neighbours = self.client.get(f"/v1/edges/{edge}/neighbours")["neighbours"]
                known = sum(n["state"] != "incomplete" for n in neighbours
                            if (n.get("channel") is None) == hosts)
                if known < 2 * len(CUSTOMERS) * places:
                    where = "VPCs" if hosts else "channels"
                    yield f"{edge}: {known} neighbours are resolved in {where}"

        self.wait_for_none_of(waiting)

    @staticmethod
    def wait_for_none_of(waiting, timeout=10):
        deadline = time.monotonic() + timeout
        while reasons := list(waiting()):
            if time.monotonic() > deadline:
                raise DaemonError(f"not ready after {timeout} s: " + "; ".join(reasons))
            time.sleep(0.05)

    # --- the story ------------------------------------------------------------------------------

    def configure(self):
        say = self.view.say
        say("Installing attachments and features: two customers, the same prefixes, IPv4 and IPv6")
        for customer in CUSTOMERS:
            for edge in EDGES:
                self.attach(customer, edge)
        say("Installing routes")
        for customer in CUSTOMERS:
            for edge in EDGES:
                self.route(customer, edge)
        limits = ", ".join(f"{c.upper()} {bps / 1e6:g} Mbps" for c, bps in self.bought.items())
        say(f"Installing limits: {limits}, each direction")
        for customer, bps in self.bought.items():
            self.limit(customer, bps)
        say("Installing SAs: one for each channel and direction")
        for channel in CHANNELS:
            self.install_sas(channel, 0)
        self.await_channels()
        self.await_neighbours()
        # Hosts resolve, and are resolved, with the first packets. A simulated host is there once it
        # has traffic to send: one that is asked for earlier is asked for again a second later.
        for customer in CUSTOMERS:
            self.offer(customer, 2e6)
        time.sleep(0.5)
        self.await_neighbours(hosts=True)
        self.baseline = self.quiet()  # from here on all is counted

    def steady(self, seconds):
        self.view.say("\nBoth customers offer 90 % of their limits, IMIX, both directions")
        self.steady_rate = {c: 0.9 * bps for c, bps in self.bought.items()}
        self.resume()
        interval = self.run(seconds)
        for customer, bps in self.steady_rate.items():
            self.check_delivered("steady", interval, customer, bps)
        self.checks.equal("steady: packets dropped", sum(interval.drops().values()), 0, "packets")
        self.figures["steady_gbps"] = interval.total_delivered_bps() / 1e9

    def over_limit(self):
        self.view.say("\nCustomer A offers twice its limit")
        self.offer("a", 2 * self.bought["a"])
        time.sleep(1.0)
        interval = self.run(4)
        self.check_delivered("over limit", interval, "a", self.bought["a"])
        self.check_delivered("over limit", interval, "b", self.steady_rate["b"])
        sent = dropped = 0
        for edge in EDGES:
            sent += interval.host("a", edge, "sent_bytes")
            dropped += interval.meter("a", edge, "egress", "meter_drop_bytes")
        self.checks.within(
            "over limit: A's bytes dropped as meter_egress",
            100 * dropped / max(sent, 1),
            50.0,
            "%",
            0.05,
        )
        meter_b = sum(
            interval.meter("b", edge, way, "meter_drop_packets")
            for edge in EDGES
            for way in ("egress", "ingress")
        )
        self.checks.equal("over limit: B's packets dropped by its meters", meter_b, 0, "packets")
        self.checks.equal("over limit: other drops", interval.drops_but_meter(), 0, "packets")

    def change_limit(self):
        new = self.bought["a"] * 2 / 3
        self.view.say(f"\nCustomer A's limit becomes {new / 1e6:g} Mbps while it sends")
        self.limit("a", new)
        time.sleep(0.5)
        interval = self.run(3)
        self.check_delivered("new limit", interval, "a", new)
        self.check_delivered("new limit", interval, "b", self.steady_rate["b"])
        self.limit("a", self.bought["a"])

    def channel_down_and_up(self, channel="ch2"):
        self.view.say(f"\nChannel {channel} is drained, taken down, and comes back")
        first = self.quiet()
        self.resume()
        before = self.run(1)
        self.admin(channel, "drain")
        time.sleep(0.2)
        drained = self.run(1)
        self.admin(channel, "down")
        down = self.run(1)
        # Both sides receive, and know each other again, before either of them sends.
        self.admin(channel, "drain")
        self.await_neighbours()
        self.admin(channel, "up")
        time.sleep(0.2)
        after = self.run(1)
        whole = Interval(first, self.quiet())
        lost = whole.lost()
        self.checks.equal(f"{channel} down and up: customers' packets lost", lost, 0, "packets")
        reordered = whole.hosts("reordered_packets")
        self.figures["reordered_by_channel_change"] = reordered
        for source, target in DIRECTIONS:
            way = f"{channel} {source} > {target}"
            # A drained channel still carries the edges' own ARP and neighbour discovery.
            for state, interval in (("drained", drained), ("down", down)):
                pps = interval.protected_pps(channel, source)
                self.checks.at_most(f"{way} while {state}", pps, 50, "pps")
            usual = before.protected_pps(channel, source)
            self.checks.within(
                f"{way} after it came back", after.protected_pps(channel, source), usual, "pps", 0.1
            )

    def new_keys(self):
        self.view.say("\nEvery channel gets new SAs under traffic: AN 0 to AN 1")
        first = self.quiet()
        self.resume()
        for channel in CHANNELS:
            self.replace_sas(channel, 0, 1)
            self.run(0.5)
        whole = Interval(first, self.quiet())
        switched = sum(
            [(sa["an"], sa["encoding"]) for sa in c["tx_sas"]] == [(1, True)]
            for c in whole.last.channels.values()
        )
        sides = len(whole.last.channels)
        self.checks.equal("new SAs: channel sides on AN 1 only", switched, sides, "sides")
        self.checks.equal("new SAs: customers' packets lost", whole.lost(), 0, "packets")
        self.checks.equal(
            "new SAs: late, not valid, not using SA", whole.receive_errors(), 0, "packets"
        )

    def as_fast_as_possible(self):
        # With limits nothing is lost but by them; without, a queue may overflow.
        lost = Interval(self.baseline, self.quiet()).lost()
        self.checks.equal("accounting: sent - received - dropped by meters", lost, 0, "packets")
        self.view.say("\nNo limits, all hosts send as fast as they can")
        for customer in CUSTOMERS:
            self.limit(customer, 0)
        for customer in CUSTOMERS:
            self.offer(customer, 0)
        time.sleep(0.5)
        interval = self.run(2)
        workers = len(self.client.get("/v1/status")["worker_cores"])
        packets = interval.hosts("received_packets") / interval.seconds
        self.figures["max_gbps_per_core"] = interval.total_delivered_bps() / 1e9 / workers
        self.figures["max_kpps_per_core"] = packets / 1e3 / workers

    def balance(self):
        """Nothing crossed between the customers, nothing is missing."""
        self.view.say("\nThe hosts stop; each packet must be counted at both ends of each link")
        last = self.quiet()
        whole = Interval(self.baseline, last)
        own = whole.hosts("received_packets")
        foreign, corrupt = last.total("foreign_packets"), last.total("corrupt_packets")
        self.checks.at_least("isolation: packets of the own customer", own, 100_000, "packets")
        self.checks.equal("isolation: packets of the other customer", foreign, 0, "packets")
        self.checks.equal("packets damaged on the way", corrupt, 0, "packets")
        links = zip(("hosts to edges", "edge to edge", "edges to hosts"), last.missing_on_links())
        for link, missing in links:
            self.checks.equal(f"accounting: packets missing from {link}", missing, 0, "packets")
        for edge in EDGES:
            left = last.accounting[edge]["unaccounted"]
            self.checks.equal(f"accounting: packets of {edge} unaccounted for", left, 0, "packets")
        self.figures["drops"] = whole.drops()

    def check_delivered(self, phase, interval, customer, expected_bps):
        for source, target in DIRECTIONS:
            self.checks.within(
                f"{phase}: {customer.upper()} {source} > {target} delivered",
                interval.delivered_bps(customer, source) / 1e6,
                expected_bps / 1e6,
                "Mbps",
                0.03,
            )


def options():
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__.splitlines()[0])
    parser.add_argument("--limit-a", type=float, default=300, metavar="MBPS", help="default 300")
    parser.add_argument("--limit-b", type=float, default=100, metavar="MBPS", help="default 100")
    parser.add_argument("--scale", type=float, default=1, help="multiplies both limits")
    parser.add_argument("--seconds", type=float, default=5, help="of the steady phase, default 5")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="default 1")
    parser.add_argument("--build", default=os.path.join(ROOT, "build"), help=argparse.SUPPRESS)
    return parser.parse_args()


def stop_on_signal(number, _frame):
    raise SystemExit(128 + number)


def main():
    arguments = options()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop_on_signal)
    limits = {
        "a": arguments.limit_a * arguments.scale * 1e6,
        "b": arguments.limit_b * arguments.scale * 1e6,
    }
    view = LiveView()
    program = os.path.join(arguments.build, "src", "control", "isthmusd")
    begin = time.monotonic()
    with Daemon(program, os.path.join(ROOT, "examples", "demo.toml"),
                arguments.workers) as daemon:
        client = Client(daemon.socket_path)
        try:
            status = client.get("/v1/status")
            view.say(
                f"isthmusd {status['version']}, MACsec engine {status['macsec_engine']}, "
                f"workers on cores {status['worker_cores']}, {status['memory']}"
            )
            demo = Demo(client, limits, view)
            demo.configure()
            demo.steady(arguments.seconds)
            demo.over_limit()
            demo.change_limit()
            demo.channel_down_and_up()
            demo.new_keys()
            demo.as_fast_as_possible()
            demo.balance()
            client.close()
            demo.checks.equal("isthmusd's exit code after SIGTERM", daemon.stop(), 0, "")
        except (OSError, KeyError, DaemonError, ApiError) as error:
            view.say(f"\ndemo: {type(error).__name__}: {error}\nthe daemon's log:\n{daemon.log()}")
            return 1
    demo.figures["seconds"] = time.monotonic() - begin
    report = os.path.join(arguments.build, "report", "demo.json")
    demo.checks.write(report, demo.figures)
    view.say("")
    for line in demo.checks.lines():
        view.say(line)
    view.say(
        f"carried {demo.figures['max_gbps_per_core']:.2f} Gbps and "
        f"{demo.figures['max_kpps_per_core']:.0f} kpps per core at most; report: {report}"
    )
    return 0 if demo.checks.passed() else 1


if __name__ == "__main__":
    sys.exit(main())
