"""Traffic at 80 % of the lossless rate while everything that can change does, all the time.

Two simulated edges as in scripts/demo on one worker; the control thread and the clients have the
other core. First the lossless rate is searched for, then comes a quiet interval and a disturbed one
of the same length. Nothing may be lost, dropped or unaccounted for. Run it with
scripts/bench-disturb.
"""

import argparse
import os
import random
import sys
import threading
import time

from demo import Demo
from demo_counters import CUSTOMERS, EDGES, Interval
from demo_daemon import Daemon, DaemonError
from demo_report import LiveView
from isthmus_client import ApiError, Client
from rollover import Rollover

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SHARE = 0.8  # of the lossless rate
TRIAL_SECONDS = 1.5
TRIALS = 7
BASE_ROUTES = 100_000  # that stay, in the VRF whose routes change
BASE_PER_REQUEST = 10_000  # half of what a body may have
ROUTES_PER_REQUEST = 100
# The edge that has an attachment alone for a moment says so to the other one, which drops that.
EXPECTED_DROPS = ("no_attachment",)
NO_LIMIT_BPS = 200_000_000_000  # metered, but never over the limit; two fit the interconnect


class Disturbance:
    """One kind of request in a thread and on a connection of its own, so many times a second."""

    def __init__(self, name, socket_path, per_second, work, weight=1):
        self.name = name
        self.done = 0  # operations: `weight` for each call
        self.longest = 0.0
        self.failure = None
        self._interval = 1 / per_second
        self._weight = weight
        self._work = work
        self._client = Client(socket_path)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self):
        self._thread.start()

    def stop(self):
        self._end.set()
        self._thread.join()
        self._client.close()

    def _run(self):
        due = time.monotonic()
        number = 0
        try:
            while not self._end.is_set():
                begin = time.monotonic()
                self._work(self._client, number)
                now = time.monotonic()
                self.longest = max(self.longest, now - begin)
                self.done += self._weight
                number += 1
                due = max(due + self._interval, now - 0.5)  # catches up, but not without end
                self._end.wait(max(0.0, due - now))
        except (OSError, ApiError) as error:
            self.failure = error


def routes_path(edge, name):
    return f"/v1/edges/{edge}/attachments/{name}/routes"


def change_routes(client, number):
    """Adds routes beside and above those in use, and removes them with the next call."""
    block = number // 2 % 100
    edge = EDGES[block % 2]
    prefixes = [f"172.{16 + block // 8}.{n}.{block % 8 * 32}/27"
                for n in range(ROUTES_PER_REQUEST - 1)]
    prefixes.append(f"10.{2 if edge == 'aws' else 1}.0.10/32")  # traffic's own destination
    path = routes_path(edge, "customer-a")
    if number % 2 == 0:
        via = {"via": "channels"}
        body = {"add": [{"prefix": prefix, **via} for prefix in prefixes]}
    else:
        body = {"remove": prefixes}
    client.call("PATCH", path, body)


def change_limits(client, number):
    edge, customer = EDGES[number % 2], CUSTOMERS[number // 2 % 2]
    limit = {"rate_bps": NO_LIMIT_BPS} if number // 4 % 2 else None
    client.call("PATCH", f"/v1/edges/{edge}/attachments/customer-{customer}/limits",
                {"egress": limit, "ingress": limit})


def read_statistics(client, _number):
    for path in ("/v1/counters", "/v1/drops", "/v1/runtime", "/v1/status"):
        client.get(path)


def churn(client, number):
    edge = EDGES[number // 2 % 2]
    path = f"/v1/edges/{edge}/attachments"
    if number % 2:
        client.call("DELETE", f"{path}/churn")
        return
    features = {
        f"ch{n}": {"vlan": 2000, "addresses": [f"169.254.9{n}.1/30"],
                   "peer_ipv4": f"169.254.9{n}.2"}
        for n in (1, 2, 3, 4)
    }
    routes = [{"prefix": f"10.{n}.0.0/16", "via": "channels"} for n in range(100, 200)]
    client.call("POST", path, {"name": "churn", "port": f"{edge}-b", "vlan": 77,
                               "addresses": ["192.168.7.1/24"], "features": features,
                               "routes": routes})


def preemptions(pid):
    """How often the kernel has taken the CPU from the worker. Then a round lasts milliseconds."""
    tasks = f"/proc/{pid}/task"
    for task in os.listdir(tasks):
        with open(f"{tasks}/{task}/status", encoding="ascii") as file:
            status = dict(line.split(":", 1) for line in file)
        if "worker" in status["Name"]:
            return int(status["nonvoluntary_ctxt_switches"])
    raise DaemonError("isthmusd has no thread of a worker")


class RoundTimes:
    """How long the worker's rounds with packets took, since the start of the daemon."""

    def __init__(self, client, pid):
        self.rounds = {}
        self.preemptions = preemptions(pid)
        for worker in client.get("/v1/runtime")["workers"]:
            for entry in worker["round_ns"]["ranges"]:
                up_to = entry["up_to"]
                self.rounds[up_to] = self.rounds.get(up_to, 0) + entry["rounds"]

    def since(self, before):
        moved = {up_to: count - before.rounds.get(up_to, 0) for up_to, count in self.rounds.items()}
        return sorted((up_to, count) for up_to, count in moved.items() if count)


def percentile_us(ranges, share):
    wanted = share * sum(count for _, count in ranges)
    seen = 0
    for up_to, count in ranges:
        seen += count
        if seen >= wanted:
            return up_to / 1e3
    return 0.0


class Bench:
    def __init__(self, demo, daemon, arguments):
        self.demo = demo
        self.daemon = daemon
        self.socket_path = daemon.socket_path
        self.seconds = arguments.seconds
        self.given_bps = arguments.gbps and 1e9 * arguments.gbps

    def round_times(self):
        return RoundTimes(self.demo.client, self.daemon.pid)

    def offer(self, total_bps):
        """The same for each of the four hosts."""
        for customer in CUSTOMERS:
            self.demo.offer(customer, None if total_bps is None else total_bps / 4)

    def lossless(self, total_bps):
        first = self.demo.quiet()
        self.offer(total_bps)
        time.sleep(TRIAL_SECONDS)
        before = self.demo.snapshot()
        time.sleep(TRIAL_SECONDS)
        carried = Interval(before, self.demo.snapshot()).total_delivered_bps()
        whole = Interval(first, self.demo.quiet())
        return whole.lost() == 0 and carried >= 0.98 * total_bps

    def find_rate(self):
        self.demo.quiet()
        for customer in CUSTOMERS:
            self.demo.offer(customer, 0)
        time.sleep(0.5)
        before = self.demo.snapshot()
        time.sleep(TRIAL_SECONDS)
        most = Interval(before, self.demo.snapshot()).total_delivered_bps()
        low, high = 0.0, 1.3 * most
        for _ in range(TRIALS):
            middle = (low + high) / 2
            good = self.lossless(middle)
            self.demo.view.say(f"  {middle / 1e9:.2f} Gbps: {'no loss' if good else 'too much'}")
            low, high = (middle, high) if good else (low, middle)
        return low

    def offered_bps(self):
        if self.given_bps:
            return self.given_bps
        self.demo.view.say("\nSearching for the lossless rate")
        rate = self.find_rate()
        self.demo.figures["lossless_gbps"] = rate / 1e9
        self.demo.view.say(f"\n{SHARE:.0%} of {rate / 1e9:.2f} Gbps:")
        return SHARE * rate

    def load_base(self):
        routes = [{"prefix": f"{20 + n // 65536}.{n // 256 % 256}.{n % 256}.0/24",
                   "via": "channels"} for n in range(BASE_ROUTES)]
        random.Random(1).shuffle(routes)
        for edge in EDGES:
            for n in range(0, BASE_ROUTES, BASE_PER_REQUEST):
                self.demo.client.call("PATCH", routes_path(edge, "customer-a"),
                                      {"add": routes[n:n + BASE_PER_REQUEST]})

    def disturbances(self):
        rollover = Rollover(self.demo)
        # The story's client serves the rollovers alone while they run.
        return [
            Disturbance("route changes", self.socket_path, 10_000 / ROUTES_PER_REQUEST,
                        change_routes, ROUTES_PER_REQUEST),
            Disturbance("limit changes", self.socket_path, 50, change_limits),
            Disturbance("statistics scrapes", self.socket_path, 10, read_statistics),
            Disturbance("SA rollovers", self.socket_path, 20,
                        lambda _client, number: rollover.roll(number)),
            Disturbance("attachments added or removed", self.socket_path, 20, churn),
        ]

    def run(self):
        demo, say = self.demo, self.demo.view.say
        demo.configure()
        for customer in CUSTOMERS:
            demo.limit(customer, 0)
        self.load_base()
        offered_bps = self.offered_bps()
        first = demo.quiet()
        say(f"{offered_bps / 1e9:.2f} Gbps, {self.seconds:g} s without and {self.seconds:g} s with "
            "disturbances")
        self.offer(offered_bps)
        time.sleep(0.5)
        start, begin = self.round_times(), demo.snapshot()
        time.sleep(self.seconds)
        middle, before = self.round_times(), demo.snapshot()
        kinds = self.disturbances()
        for kind in kinds:
            kind.start()
        time.sleep(self.seconds)
        for kind in kinds:
            kind.stop()
        end = self.round_times()
        carried = Interval(before, demo.snapshot())
        whole = Interval(first, demo.quiet())
        self.report("without", start, middle)
        self.report("with", middle, end)
        quiet = Interval(begin, before)
        for name, interval in (("without", quiet), ("with", carried)):
            demo.figures[f"gbps_{name}"] = interval.total_delivered_bps() / 1e9
        self.tell(kinds, carried.seconds)
        if not self.given_bps:
            self.check_rates(kinds[0].done / carried.seconds, carried, quiet)
        self.check(whole)

    def report(self, name, first, last):
        ranges = last.since(first)
        times = {key: percentile_us(ranges, share) for key, share in (
            ("p50_us", 0.5), ("p99_us", 0.99), ("p999_us", 0.999), ("max_us", 1.0))}
        taken = last.preemptions - first.preemptions
        self.demo.figures[f"rounds_{name}"] = {**times, "preemptions": taken}
        text = ", ".join(f"{key[:-3]} {us:.1f} us" for key, us in times.items())
        self.demo.view.say(f"rounds {name} disturbances: {text}; "
                           f"the worker lost its core {taken} times")

    def tell(self, kinds, seconds):
        for kind in kinds:
            if kind.failure:
                raise DaemonError(f"{kind.name}: {kind.failure}")
            rate = kind.done / seconds
            self.demo.figures[kind.name.replace(" ", "_") + "_per_second"] = rate
            self.demo.view.say(f"{kind.name}: {rate:,.0f} a second, the slowest call took "
                               f"{1e3 * kind.longest:.1f} ms")

    def check_rates(self, routes_per_second, carried, quiet):
        checks = self.demo.checks
        checks.at_least("route changes a second", round(routes_per_second), 9_000, "")
        # Less than was offered is no loss: hosts of a worker that loses its core send less.
        checks.within("carried with disturbances", carried.total_delivered_bps() / 1e6,
                      quiet.total_delivered_bps() / 1e6, "Mbps", 0.15)

    def check(self, whole):
        checks = self.demo.checks
        checks.equal("customers' packets lost", whole.lost(), 0, "packets")
        drops = {reason: n for reason, n in whole.drops().items() if reason not in EXPECTED_DROPS}
        self.demo.view.say(f"drops: {drops or 'none'}")
        checks.equal("packets dropped by the edges", sum(drops.values()), 0, "packets")
        checks.equal("late, not valid, not using SA", whole.receive_errors(), 0, "packets")
        for edge, accounting in whole.last.accounting.items():
            checks.equal(f"packets of {edge} unaccounted for", accounting["unaccounted"], 0,
                         "packets")


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench-disturb",
                                     description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10, help="of each interval, default 10")
    parser.add_argument("--gbps", type=float,
                        help="to offer this, without a search, and to judge losses alone")
    parser.add_argument("--nice", type=int, default=0,
                        help="of all processes, less than 0 where others use the machine")
    parser.add_argument("--build", default=os.path.join(ROOT, "build"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.gbps is not None and arguments.gbps <= 0:
        parser.error(f"--gbps: {arguments.gbps:g} is not above 0")
    view = LiveView()
    program = os.path.join(arguments.build, "src", "control", "isthmusd")
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("bench-disturb: the worker and the clients need a core each")
    os.nice(arguments.nice)
    with Daemon(program, os.path.join(ROOT, "examples", "demo.toml")) as daemon:
        os.sched_setaffinity(0, {cores[0]})  # that of the control thread
        client = Client(daemon.socket_path)
        demo = Demo(client, dict.fromkeys(CUSTOMERS, 1e9), view)
        try:
            Bench(demo, daemon, arguments).run()
        except (OSError, KeyError, DaemonError, ApiError) as error:
            view.say(f"\nbench-disturb: {type(error).__name__}: {error}\n"
                     f"the daemon's log:\n{daemon.log()}")
            return 1
        client.close()
        demo.checks.equal("isthmusd's exit code after SIGTERM", daemon.stop(), 0, "")
    demo.checks.write(os.path.join(arguments.build, "report", "disturb.json"), demo.figures)
    view.say("")
    for line in demo.checks.lines():
        view.say(line)
    return 0 if demo.checks.passed() else 1


if __name__ == "__main__":
    sys.exit(main())
