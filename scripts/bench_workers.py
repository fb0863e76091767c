"""Compares isthmusd with two workers and with one. Run it with scripts/bench-workers.

Every worker has a receive queue of its own (a capture from memory, for ever), and a VLAN with an
attachment of its own unless --shared. All send to one channel on net_null. One worker runs on the
second core, as in scripts/bench-peers; the other one on the first core, which the control thread
and this program use as well. Both edges are there all the time, and one of them is stopped: so
turns are short, and what other guests do to the clock of the cores falls on both. Ratios are taken
within a round.
"""

import contextlib
import os
import signal
import statistics
import sys
import tempfile
import time

from bench_peers import ENOUGH_CPU, checked, common_options, markdown, numbers
from bench_peers import spread, stop_on_signal, write_report
from bench_peers_feed import write_capture
from bench_peers_process import ProgramError, Setup
from bench_peers_programs import Isthmusd

WORKERS = (1, 2)
VPC_VLAN, CHANNEL_VLAN = 101, 1025
GOAL = 1.85
# Of /proc/stat.
STEAL, STAT_FIELDS = 7, 8
STAMP_NS, STAMP_TRIES = 3_000_000, 10
SETTLE_SECONDS = 0.02  # caches and branch predictors of an edge that goes on


class Edge(Isthmusd):
    DEATH_SIGNAL = "KILL"  # who is stopped does not hear another one

    def __init__(self, setup, size, macsec, workers, shared):
        super().__init__(setup, size, macsec)
        self._worker_cores = [setup.worker_core, setup.main_core][:workers]
        self._numbers = [0] * workers if shared else list(range(workers))
        self._captures = [capture(setup, size, number) for number in self._numbers]

    def _attachments(self):
        return [(VPC_VLAN + number, CHANNEL_VLAN + number) for number in sorted(set(self._numbers))]

    def __exit__(self, *error):
        self.go_on()
        return super().__exit__(*error)

    def stop(self):
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self):
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def cpu_times(self):
        """Nanoseconds of CPU time of (control thread and helpers, each worker)."""
        others, workers = 0, []
        for thread, spent in self.thread_times().items():
            with open(f"/proc/{self._process.pid}/task/{thread}/comm", encoding="utf-8") as file:
                name = file.read()
            if "worker" in name:
                workers.append(spent)
            else:
                others += spent
        return others, workers


def capture(setup, size, number):
    return os.path.join(setup.folder, f"feed-{size}-{number}.pcap")


def stolen_share(begin, end):
    """The part of the machine's time that its host gave to others."""
    spent = [b - a for a, b in zip(begin, end)]
    return spent[STEAL] / max(1, sum(spent))


def machine_times():
    with open("/proc/stat", encoding="ascii") as file:
        return [int(field) for field in file.readline().split()[1 : 1 + STAT_FIELDS]]


def stamp(edge):
    """Counters and times of one instant: who is interrupted on the way tries again."""
    best = None
    for _ in range(STAMP_TRIES):
        begin = time.monotonic_ns()
        received, sent = edge.counters()
        now = {"rx": received, "tx": sent, "cpu": edge.cpu_times(), "all": machine_times()}
        took = time.monotonic_ns() - begin
        if best is None or took < best[0]:
            best = took, {"ns": begin + took / 2, **now}
        if took < STAMP_NS:
            break
    return best[1]


def sample(edge, workers, seconds):
    edge.go_on()
    time.sleep(SETTLE_SECONDS)
    begin = stamp(edge)
    time.sleep(seconds)
    end = stamp(edge)
    edge.stop()
    wall = end["ns"] - begin["ns"]
    sent = end["tx"] - begin["tx"]
    if sent < 0.99 * (end["rx"] - begin["rx"]):
        raise ProgramError(f"sends {sent} of {end['rx'] - begin['rx']} packets")
    (control, before), (control_end, after) = begin["cpu"], end["cpu"]
    spent = [b - a for a, b in zip(before, after)]
    if len(spent) != workers or min(spent) <= 0:
        raise ProgramError(f"{workers} workers should run, CPU times are {spent}")
    return {
        "mpps": 1e3 * sent / wall,
        "mpps_per_cpu": 1e3 * sent / sum(spent),
        "worker_shares": [ns / wall for ns in spent],
        "control_share": (control_end - control) / wall,
        "stolen_share": stolen_share(begin["all"], end["all"]),
    }


def rounds_of(setup, kind, size, arguments):
    """Samples by number of workers, for each round."""
    with contextlib.ExitStack() as stack:
        edges = {}
        for workers in WORKERS:
            edge = Edge(setup, size, kind == "macsec", workers, arguments.shared)
            edges[workers] = stack.enter_context(edge)
            edge.stop()
        for number in range(arguments.rounds):
            # Whoever comes first in one round comes last in the next one.
            order = WORKERS if number % 2 == 0 else WORKERS[::-1]
            yield {n: sample(edges[n], n, arguments.seconds) for n in order}


def measure(setup, arguments):
    """One entry per kind, size and round: samples by number of workers."""
    results = []
    for kind, size in ((k, s) for k in arguments.kinds for s in arguments.sizes):
        try:
            for number, by in enumerate(rounds_of(setup, kind, size, arguments), 1):
                results.append({"kind": kind, "size": size, "workers": by})
                rates = ", ".join(f"{n}: {by[n]['mpps']:.2f}" for n in WORKERS)
                print(f"round {number}: {kind}, {size} B, Mpps of {rates}", file=sys.stderr)
        except ProgramError as error:
            raise SystemExit(f"bench-workers: {kind}, {size} B: {error}") from error
    return results


def row(kind, size, rounds):
    one, two = ([entry[n] for entry in rounds] for n in WORKERS)

    def ratios(key, factor):
        return [factor * b[key] / a[key] for a, b in zip(one, two)]

    wall = ratios("mpps", 1)
    shares = [statistics.median(s) for s in zip(*(sorted(e["worker_shares"]) for e in two))]
    return (
        f"{kind}, {size} B",
        spread([entry["mpps"] for entry in one], 2),
        spread([entry["mpps"] for entry in two], 2),
        f"{spread(wall, 2)}, goal {GOAL}: {'met' if statistics.median(wall) >= GOAL else 'missed'}",
        # Both workers do what they did in a CPU second, if each had one.
        spread(ratios("mpps_per_cpu", 2), 2),
        f"{100 * min(entry['worker_shares'][0] for entry in one):.0f} %",
        " + ".join(f"{100 * share:.0f}" for share in shares) + " %",
        f"{100 * statistics.median(entry['control_share'] for entry in two):.1f} %",
        f"{100 * statistics.median(entry['stolen_share'] for entry in two):.1f} %",
    )


HEADER = (
    "",
    "1 worker, Mpps",
    "2 workers",
    "ratio, wall time",
    "ratio, CPU time",
    "core had by 1, least",
    "cores had by 2",
    "control thread",
    "stolen",
)


def show(results, arguments):
    keys = [(k, s) for k in arguments.kinds for s in arguments.sizes]
    rows = []
    for kind, size in keys:
        of = [r["workers"] for r in results if (r["kind"], r["size"]) == (kind, size)]
        rows.append(row(kind, size, of))
    mode = "one attachment and meter" if arguments.shared else "an attachment each"
    print(f"isthmusd with one and two workers, {mode}; median (min..max) of {arguments.rounds}")
    print(f"rounds of {arguments.seconds:g} s. Load average: {os.getloadavg()[0]:.1f}.\n")
    print("\n".join(markdown(HEADER, rows)))
    shares = [s for r in results for e in r["workers"].values() for s in e["worker_shares"]]
    if (shared := sum(share < ENOUGH_CPU for share in shares)) != 0:
        print(f"\n{shared} of {len(shares)} times a worker had less than 95 % of its core.")


def options():
    parser = common_options("scripts/bench-workers", __doc__, rounds=25, seconds=0.2)
    parser.add_argument("--sizes", type=numbers, default=[60, 1400], help="default 60,1400")
    parser.add_argument(
        "--kinds", type=lambda text: text.split(","), default=["plain", "macsec"],
        help="default plain,macsec",
    )
    parser.add_argument("--shared", action="store_true", help="one attachment for both workers")
    arguments = checked(parser, 1500)
    for kind in arguments.kinds:
        if kind not in ("plain", "macsec"):
            parser.error(f"--kinds: {kind} is not plain or macsec")
    return arguments


def main():
    arguments = options()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop_on_signal)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -20)  # to read counters when it is time to
    except PermissionError:
        pass
    with tempfile.TemporaryDirectory(prefix="isthmus-workers-") as folder:
        try:
            setup = Setup(arguments.build, folder)
        except ProgramError as error:
            raise SystemExit(f"bench-workers: {error}") from error
        for size in arguments.sizes:
            for number in range(max(WORKERS)):
                write_capture(capture(setup, size, number), size, VPC_VLAN + number)
        results = measure(setup, arguments)
    path = write_report(arguments, "workers.json", {"shared": arguments.shared, "rounds": results})
    show(results, arguments)
    print(f"\nreport: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
