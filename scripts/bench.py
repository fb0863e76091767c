"""Runs every Google Benchmark program of a build and prints one table. Run it with scripts/bench.

build/report/bench.json holds {"machine": {...}, "benchmarks": [{"name", "ns_per_packet",
"cycles_per_packet", ...}]}: the counters that each benchmark reports.
"""

import argparse
import json
import os
import re
import subprocess
import sys

from demo_report import table

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
COUNTERS = ("ns_per_packet", "cycles_per_packet")
# What only some benchmarks report; see the head of each program.
OTHERS = ("aead_cycles", "aead_share", "cycles_of_10", "times")
OTHERS += ("changes_per_second", "changes_per_cpu_second", "us_median", "us_p99", "cpu_us")


def programs(build):
    folder = os.path.join(build, "bench")
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if name.startswith("bench_") and os.path.isfile(path) and os.access(path, os.X_OK):
            yield path


def run(program, pattern):
    command = [program, "--benchmark_format=json", f"--benchmark_filter={pattern}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise SystemExit(f"bench: {program} ended with {done.returncode}")
    # A program in which nothing matches prints no JSON.
    start = done.stdout.find(b"{")
    return json.loads(done.stdout[start:]) if start >= 0 else {"benchmarks": []}


def cell(entry, counter):
    value = entry.get(counter)
    return "-" if value is None else f"{value:,.1f}"


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__.splitlines()[0])
    parser.add_argument("pattern", nargs="?", default=".", help="regular expression of names")
    parser.add_argument("--build", default=os.path.join(ROOT, "build"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    machine, results = {}, []
    for program in programs(arguments.build):
        print(f"running {os.path.basename(program)}", file=sys.stderr, flush=True)
        report = run(program, arguments.pattern)
        machine = report.get("context", machine)
        for entry in report["benchmarks"]:
            if entry.get("error_occurred"):
                raise SystemExit(f"bench: {entry['name']}: {entry.get('error_message')}")
            # Google Benchmark adds how it measured to the name.
            entry["name"] = re.sub(r"/(iterations:\d+|manual_time|real_time)", "", entry["name"])
            results.append(entry)
    if not results:
        raise SystemExit(f"bench: no benchmark matches {arguments.pattern}")
    results.sort(key=lambda entry: entry["name"])
    rows = [("name", "ns/packet", "cycles/packet", "others")]
    for e in results:
        others = ", ".join(f"{name} {e[name]:,.1f}" for name in OTHERS if name in e)
        rows.append((e["name"], *(cell(e, counter) for counter in COUNTERS), others))
    for line in table(rows, right=(1, 2)):
        print(line)
    path = os.path.join(arguments.build, "report", "bench.json")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"machine": machine, "benchmarks": results}, file, indent=2)
        file.write("\n")
    print(f"report: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
