"""Compares isthmusd with testpmd io through the same kind of port. Run it with scripts/bench-ports.

Every round starts each of the two afresh, one after the other, with a feeder on the other core. A
rate is packets per second of CPU time that the worker got. Where the feeder had no more to give, it
tells of the feeder, and the TSC cycles of the rounds with packets tell of the worker: the goal is
judged by those then.
"""

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time

from bench_peers import ENOUGH_CPU, SETTLE_SECONDS, checked, common_options, markdown, numbers
from bench_peers import spread, stamp, stop_on_signal, write_report
from bench_peers_feed import write_capture
from bench_peers_process import ProgramError, Setup
from bench_ports_kinds import CONTESTANTS, KINDS, contestant, make_interfaces

GOAL, GOAL_SIZE = 0.9, 1400
# The feeder had more to give than the worker took.
MORE = 1.02


def sample(setup, name, kind, size, seconds):
    with contestant(setup, name, kind, size) as program:
        time.sleep(SETTLE_SECONDS)
        busy, offered = program.busy(), program.offered()
        begin = stamp(program)
        time.sleep(seconds)
        end = stamp(program)
        offered = program.offered() - offered
        cycles = program.cycles(busy)
    received, sent = end[1] - begin[1], end[2] - begin[2]
    cpu_ns = max(end[3][thread] - begin[3].get(thread, 0) for thread in end[3])
    if cpu_ns <= 0 or received <= 0 or sent <= 0:
        raise ProgramError(f"stands still: {received} received, {sent} sent")
    return {
        "mpps": 1e3 * sent / cpu_ns,
        "cpu_share": cpu_ns / (end[0] - begin[0]),
        "sent_share": sent / received,
        "offered_share": offered / received,
        "cycles": cycles,
    }


def measure(setup, arguments):
    """samples[kind, size][name]: one entry per round."""
    samples = {
        (kind, size): {name: [] for name in CONTESTANTS}
        for kind in arguments.only
        for size in arguments.sizes
    }
    for number in range(arguments.rounds):
        for (kind, size), by_name in samples.items():
            # Whoever comes first in one round comes last in the next one.
            for name in list(CONTESTANTS)[:: 1 if number % 2 == 0 else -1]:
                try:
                    one = sample(setup, name, kind, size, arguments.seconds)
                except ProgramError as error:
                    raise SystemExit(f"bench-ports: {kind}, {size} B, {name}: {error}") from error
                by_name[name].append(one)
                told = ", ".join(f"{key} {value or 0:.3g}" for key, value in one.items())
                print(f"round {number + 1}: {kind}, {size} B, {name}: {told}", file=sys.stderr)
    return samples


def column(entries, key):
    return [entry[key] for entry in entries if entry[key] is not None]


def ratios(by_name, key, over, under):
    pairs = zip(column(by_name[over], key), column(by_name[under], key))
    return [a / b for a, b in pairs if b]


def row(kind, size, by_name):
    rates = {name: column(entries, "mpps") for name, entries in by_name.items()}
    more = [e["offered_share"] >= MORE for n in CONTESTANTS for e in by_name[n]]
    by_rate = sum(more) > len(more) / 2 or not KINDS[kind].is_fed()
    ratio = {
        True: ratios(by_name, "mpps", "isthmusd", "testpmd"),
        False: ratios(by_name, "cycles", "testpmd", "isthmusd"),
    }
    told = {which: spread(values, 2) for which, values in ratio.items()}
    if size == GOAL_SIZE:
        met = statistics.median(ratio[by_rate]) >= GOAL
        told[by_rate] += ", met" if met else ", missed"
    cells = [f"{kind}, {size} B"]
    cells += [spread(rates[name], 3) for name in CONTESTANTS]
    cells.append(f"{statistics.median(rates['isthmusd']) * size * 8 / 1e3:.2f}")
    cells.append(told[True])
    cells += [f"{statistics.median(column(by_name[n], 'cycles')):.0f}" for n in CONTESTANTS]
    cells.append(told[False])
    cells.append(f"{sum(more)} of {len(more)}")
    return cells


HEADER = (
    "",
    "testpmd io, Mpps",
    "isthmusd, Mpps",
    "isthmusd, Gbps",
    f"ratio of rates (goal {GOAL} at {GOAL_SIZE} B)",
    "testpmd, cycles",
    "isthmusd, cycles",
    "of cycles",
    "feeder had more",
)


def show(samples, arguments):
    rows = [row(kind, size, by_name) for (kind, size), by_name in samples.items()]
    print("Plain forwarding through two ports of a kind, one worker; median (min..max) of")
    print(f"{arguments.rounds} rounds of {arguments.seconds:g} s, per second of the worker's CPU")
    print(f"time. Load average: {os.getloadavg()[0]:.1f}.\n")
    print("\n".join(markdown(HEADER, rows)))
    shares = [e["cpu_share"] for by in samples.values() for es in by.values() for e in es]
    if (shared := sum(share < ENOUGH_CPU for share in shares)) != 0:
        print(f"\n{shared} of {len(shares)} times the worker had less than 95 % of its core.")


def kinds(text):
    wanted = text.split(",")
    for kind in wanted:
        if kind not in KINDS:
            raise argparse.ArgumentTypeError(f"{kind}: not one of {', '.join(KINDS)}")
    return [kind for kind in KINDS if kind in wanted]


def options():
    parser = common_options("scripts/bench-ports", __doc__, rounds=5, seconds=1)
    parser.add_argument(
        "--sizes", type=numbers, default=[64, 1400], help="frames without FCS, default 64,1400"
    )
    parser.add_argument("--only", type=kinds, default=list(KINDS), help="of " + ",".join(KINDS))
    return checked(parser, 1500)


def main():
    arguments = options()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop_on_signal)
    make_interfaces()
    with tempfile.TemporaryDirectory(prefix="isthmus-ports-") as folder:
        try:
            setup = Setup(arguments.build, folder)
        except ProgramError as error:
            raise SystemExit(f"bench-ports: {error}") from error
        for size in arguments.sizes:
            write_capture(setup.capture(size), size)
        os.sched_setaffinity(0, {setup.main_core})  # not in the worker's way
        # To read counters when it is time to; what it starts runs as usual.
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(2))
        samples = measure(setup, arguments)
    results = [{"kind": k, "size": s, **by_name} for (k, s), by_name in samples.items()]
    report = {"seconds": arguments.seconds, "results": results}
    path = write_report(arguments, "ports.json", report)
    show(samples, arguments)
    print(f"\nreport: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
