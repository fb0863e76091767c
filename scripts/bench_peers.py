"""Compares isthmusd with DPDK's own programs on one core. Run it with scripts/bench-peers.

Every round starts each contestant afresh, one after the other, and counts what it sends in a steady
interval. A rate is packets per second of CPU time that the worker got, so that another process
which takes its core for a while does not count against it; on an idle machine the two are equal.
"""

import argparse
import json
import os
import platform
import signal
import statistics
import sys
import tempfile
import time

from bench_peers_feed import FLOWS, ROUTES, write_capture
from bench_peers_process import ProgramError, Setup
from bench_peers_programs import CONTESTANTS

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SIZES = (60, 512, 1400)
SETTLE_SECONDS = 0.3
# A contestant that drops more of the feed than this does not do the job. The two counters are not
# read in the same instant.
MAX_LOST = 0.01
# Below this the worker has shared its core, and with it the caches.
ENOUGH_CPU = 0.95

ABOUT = {
    "testpmd": "testpmd io: the floor",
    "l3fwd": "l3fwd, LPM, 16 routes",
    "isthmusd": "isthmusd, no MACsec",
    "l2fwd-crypto": "l2fwd-crypto, AES-GCM-128, aesni_gcm",
    "ipsec-secgw": "ipsec-secgw out, AES-GCM-128, aesni_gcm",
    "isthmusd-macsec": "isthmusd, MACsec GCM-AES-128",
}
# (contestant, compared with, {frame size: least ratio wanted})
GOALS = (
    ("isthmusd", "l3fwd", {60: 0.8, 512: 0.8, 1400: 0.8}),
    ("isthmusd-macsec", "l2fwd-crypto", {60: 1.3, 1400: 1.6}),
    ("isthmusd-macsec", "ipsec-secgw", {60: 2.0, 1400: 1.6}),
)


def stamp(program):
    begin = time.monotonic_ns()
    received, sent = program.counters()
    threads = program.thread_times()
    return (begin + time.monotonic_ns()) / 2, received, sent, threads


def sample(setup, name, size, seconds):
    """One round of one contestant: Mpps, and the part of its core that it got."""
    with CONTESTANTS[name](setup, size) as program:
        time.sleep(SETTLE_SECONDS)
        begin = stamp(program)
        time.sleep(seconds)
        end = stamp(program)
        about = getattr(program, "about", {})
    received, sent = end[1] - begin[1], end[2] - begin[2]
    if sent < (1 - MAX_LOST) * received:
        raise ProgramError(f"sends {sent} of {received} packets")
    cpu_ns = max(end[3][thread] - begin[3].get(thread, 0) for thread in end[3])
    if cpu_ns <= 0:
        raise ProgramError("its worker stands still")
    return {"mpps": 1e3 * sent / cpu_ns, "cpu_share": cpu_ns / (end[0] - begin[0])}, about


def summary(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def spread(values, digits):
    s = summary(values)
    return f"{s['median']:.{digits}f} ({s['min']:.{digits}f}..{s['max']:.{digits}f})"


class Rounds:
    """samples[size][name]: one entry per round."""

    def __init__(self, sizes, names):
        self.sizes = sizes
        self.names = names
        self.samples = {size: {name: [] for name in names} for size in sizes}
        self.about = {}

    def run(self, setup, rounds, seconds):
        for number in range(rounds):
            # Whoever comes first in one round comes last in the next one.
            at = number % len(self.names)
            for size in self.sizes:
                for name in self.names[at:] + self.names[:at]:
                    self._one(setup, number, name, size, seconds)

    def _one(self, setup, number, name, size, seconds):
        try:
            result, about = sample(setup, name, size, seconds)
        except ProgramError as error:
            raise SystemExit(f"bench-peers: {name}, {size} B: {error}") from error
        self.about.update(about)
        self.samples[size][name].append(result)
        cpu = f", {100 * result['cpu_share']:.0f} % of a core"
        print(
            f"round {number + 1}: {name}, {size} B: {result['mpps']:.2f} Mpps{cpu}",
            file=sys.stderr,
            flush=True,
        )

    def rates(self, size, name):
        return [entry["mpps"] for entry in self.samples[size][name]]

    def ratios(self, size, name, peer):
        return [a / b for a, b in zip(self.rates(size, name), self.rates(size, peer))]

    def goals(self):
        """The rows of GOALS whose contestants both ran."""
        return [goal for goal in GOALS if goal[0] in self.names and goal[1] in self.names]

    def disturbed(self):
        shares = [e["cpu_share"] for of in self.samples.values() for es in of.values() for e in es]
        return sum(share < ENOUGH_CPU for share in shares), len(shares)


def markdown(header, rows):
    yield "| " + " | ".join(header) + " |"
    yield "| --- " + "| ---: " * (len(header) - 1) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def rate_rows(rounds):
    for name in rounds.names:
        cells = []
        for size in rounds.sizes:
            rates = rounds.rates(size, name)
            gbps = statistics.median(rates) * size * 8 / 1e3
            cells.append(f"{spread(rates, 2)} {gbps:.1f}G")
        yield (ABOUT[name], *cells)


def verdict(values, goal):
    if goal is None:
        return spread(values, 2)
    met = "met" if statistics.median(values) >= goal else "missed"
    return f"{spread(values, 2)}, goal {goal}: {met}"


def ratio_rows(rounds):
    for name, peer, goals in rounds.goals():
        cells = (verdict(rounds.ratios(s, name, peer), goals.get(s)) for s in rounds.sizes)
        yield (f"{name} / {peer}", *cells)


def machine(setup):
    model = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    dpdk, path = "unknown", os.path.join(setup.peers, "version")
    if os.path.exists(path):  # not where isthmusd alone is measured
        with open(path, encoding="utf-8") as file:
            dpdk = file.read().strip()
    return {
        "cpu": model,
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "dpdk": dpdk,
        "hugepages": setup.huge,
        "aes_gcm_without_avx512": not setup.avx512,
        "main_core": setup.main_core,
        "worker_core": setup.worker_core,
        "load_average_before": os.getloadavg()[0],
    }


def report(rounds, about, seconds):
    results = [
        {
            "size": size,
            "contestant": name,
            "mpps": summary(rounds.rates(size, name)),
            "rounds": rounds.samples[size][name],
        }
        for size in rounds.sizes
        for name in rounds.names
    ]
    ratios = [
        {
            "size": size,
            "contestant": name,
            "peer": peer,
            "goal": goals.get(size),
            "ratio": summary(rounds.ratios(size, name, peer)),
            "rounds": rounds.ratios(size, name, peer),
        }
        for name, peer, goals in rounds.goals()
        for size in rounds.sizes
    ]
    return {
        "machine": about,
        "isthmusd": rounds.about,
        "feed": {"flows": FLOWS, "routes": len(ROUTES), "rx": "net_pcap", "tx": "net_null"},
        "seconds": seconds,
        "results": results,
        "ratios": ratios,
    }


def numbers(text):
    return [int(part) for part in text.split(",")]


def names(text):
    wanted = text.split(",")
    for name in wanted:
        if name not in CONTESTANTS:
            raise argparse.ArgumentTypeError(f"{name}: not one of {', '.join(CONTESTANTS)}")
    return [name for name in CONTESTANTS if name in wanted]


def common_options(program, about, rounds, seconds):
    parser = argparse.ArgumentParser(prog=program, description=about.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=rounds, help=f"default {rounds}")
    parser.add_argument(
        "--seconds", type=float, default=seconds, help=f"of a measurement, default {seconds}"
    )
    parser.add_argument("--build", default=os.path.join(ROOT, "build"), help=argparse.SUPPRESS)
    return parser


def checked(parser, largest):
    arguments = parser.parse_args()
    for size in arguments.sizes:
        if not 60 <= size <= largest:
            parser.error(f"--sizes: {size} is not within 60..{largest}")
    if arguments.rounds < 1 or arguments.seconds <= 0:
        parser.error("--rounds and --seconds must be above 0")
    return arguments


def options():
    parser = common_options("scripts/bench-peers", __doc__, rounds=5, seconds=3)
    parser.add_argument(
        "--sizes", type=numbers, default=list(SIZES), help="frames without FCS, default 60,512,1400"
    )
    parser.add_argument(
        "--only", type=names, default=list(CONTESTANTS), help="of " + ",".join(CONTESTANTS)
    )
    parser.add_argument(
        "--no-avx512", action="store_true", help="AES-GCM as a CPU without AVX-512 computes it"
    )
    # ipsec-secgw adds up to 57 octets, and must not come over an MTU of 1500.
    return checked(parser, 1456)


def stop_on_signal(number, _frame):
    raise SystemExit(128 + number)


def main():
    arguments = options()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop_on_signal)
    rounds = Rounds(arguments.sizes, arguments.only)
    with tempfile.TemporaryDirectory(prefix="isthmus-peers-") as folder:
        try:
            setup = Setup(arguments.build, folder, avx512=not arguments.no_avx512)
        except ProgramError as error:
            raise SystemExit(f"bench-peers: {error}") from error
        about = machine(setup)
        os.sched_setaffinity(0, {setup.main_core})  # not in the worker's way
        for size in arguments.sizes:
            write_capture(setup.capture(size), size)
        rounds.run(setup, arguments.rounds, arguments.seconds)
    show(rounds, about, arguments)
    return 0


def write_report(arguments, name, content):
    path = os.path.join(arguments.build, "report", name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
    return path


def show(rounds, about, arguments):
    path = write_report(arguments, "peers.json", report(rounds, about, arguments.seconds))
    sizes = [f"{size} B" for size in rounds.sizes]
    pages = "hugepages" if about["hugepages"] else "ordinary pages"
    print(f"One core of {about['cpu']}, DPDK {about['dpdk']}, {pages}; Mpps, median (min..max) of")
    print(f"{arguments.rounds} rounds of {arguments.seconds:g} s, and Gbit/s of frames.")
    if engine := rounds.about.get("macsec_engine"):
        print(f"isthmusd {rounds.about['version']}, MACsec engine {engine}.")
    if about["aes_gcm_without_avx512"]:
        print("Nobody uses AVX-512 for AES-GCM.")
    print()
    print("\n".join(markdown(["one core", *sizes], rate_rows(rounds))))
    if rounds.goals():
        print()
        print("\n".join(markdown(["ratio within a round", *sizes], ratio_rows(rounds))))
    shared, total = rounds.disturbed()
    if shared:
        print()
        print(f"In {shared} of {total} measurements other processes took more than 5 % of the")
        print(f"worker's core (load average before: {about['load_average_before']:.1f}).")
    print()
    print(f"report: {path}")


if __name__ == "__main__":
    sys.exit(main())
