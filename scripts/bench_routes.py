"""Loads routes through the control socket and tells time and memory. Run it with
scripts/bench-routes."""

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time

from demo_counters import CHANNELS, EDGES, other
from demo_daemon import Daemon
from demo_report import Checks
from isthmus_client import ApiError, Client

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VPC_NET = {"aws": 1, "gcp": 2}
MAX_ATTACHMENTS = 16384
VLANS = 3000  # of a channel, from 1025 on


def prefixes(family, count):
    """As scripts/fib-routes makes them: the lengths are those of the internet's tables."""
    made = subprocess.run([os.path.join(ROOT, "scripts", "fib-routes"), f"--family={family}",
                           f"--count={count}"], check=True, capture_output=True, text=True)
    return [line.split()[0] for line in made.stdout.splitlines()]


def memory_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"(?m)^VmRSS:\s*(\d+) kB", file.read()).group(1)) / 1024


def cpu_seconds(pid):
    """Of the control thread, the first one of the process."""
    with open(f"/proc/{pid}/task/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Measured:
    """Wall and CPU time of a block, and the memory behind it."""

    def __init__(self, pid):
        self._pid = pid

    def __enter__(self):
        self._begin, self._cpu = time.monotonic(), cpu_seconds(self._pid)
        return self

    def __exit__(self, *_):
        self.seconds = time.monotonic() - self._begin
        self.cpu_seconds = cpu_seconds(self._pid) - self._cpu
        self.mib = memory_mib(self._pid)

    def text(self):
        return (f"{self.seconds:.1f} s ({self.cpu_seconds:.1f} s of the control thread), "
                f"then {self.mib:.0f} MiB")


class OtherClient(threading.Thread):
    """Asks for little while others load much: how long it waits for each answer."""

    def __init__(self, socket_path):
        super().__init__(daemon=True)
        self._client = Client(socket_path, timeout=60)
        self._end = threading.Event()
        self.waits_ms = []

    def run(self):
        while not self._end.wait(0.005):
            begin = time.monotonic()
            self._client.get("/v1/edges/aws/channels/ch1")
            self.waits_ms.append(1000 * (time.monotonic() - begin))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self.join()
        self._client.close()

    def at(self, share):
        return sorted(self.waits_ms)[min(int(len(self.waits_ms) * share), len(self.waits_ms) - 1)]

    def text(self):
        return (f"{len(self.waits_ms)} requests of another client meanwhile: p50 "
                f"{self.at(0.5):.1f} ms, p99 {self.at(0.99):.1f} ms, longest {self.at(1):.0f} ms")


def attachment(edge, number, routes):
    here, there = VPC_NET[edge], VPC_NET[other(edge)]
    features = {
        channel: {
            "vlan": 1025 + number,
            "addresses": [f"169.254.{n}.{here}/30"],
            "peer_ipv4": f"169.254.{n}.{there}",
        }
        for n, channel in enumerate(CHANNELS)
    }
    return {
        "name": f"customer-{number}",
        "port": f"{edge}-a",
        "vlan": 1 + number,
        "addresses": [f"10.{here}.0.1/24", f"fd00:{here}::1/64"],
        "features": features,
        "routes": [{"prefix": prefix, "via": "channels"} for prefix in routes],
    }


def load_million(daemon, client, ctl, checks, figures):
    routes = prefixes(4, 1_000_000)
    client.call("POST", "/v1/edges/aws/attachments", attachment("aws", 0, []))
    before = memory_mib(daemon.pid)
    with tempfile.NamedTemporaryFile("w", suffix=".routes") as file:
        file.writelines(f"{prefix} channels\n" for prefix in routes)
        file.flush()
        with OtherClient(daemon.socket_path) as other_client, Measured(daemon.pid) as measured:
            subprocess.run([ctl, "--socket", daemon.socket_path, "--edge", "aws", "route", "load",
                            "customer-0", file.name], check=True)
    time.sleep(2)  # what the request has used is given back within a second
    rest = memory_mib(daemon.pid)
    print(f"1,000,000 routes by isthmusctl route load: {measured.text()}; {before:.0f} MiB before, "
          f"{rest:.0f} MiB two seconds later", flush=True)
    print(other_client.text(), flush=True)
    figures["million_other_p99_ms"] = other_client.at(0.99)
    figures["million_other_longest_ms"] = other_client.at(1)
    figures["million_mib_before"], figures["million_mib_after"] = before, rest
    client.call("DELETE", "/v1/edges/aws/attachments/customer-0")
    checks.at_most("a million routes in one request", measured.seconds, 10, "s")
    figures["million_seconds"] = measured.seconds
    figures["million_control_seconds"] = measured.cpu_seconds


def load_many(daemon, client, count, checks, figures):
    random.seed(1)
    ipv4, ipv6 = prefixes(4, 100_000), prefixes(6, 10_000)
    before = memory_mib(daemon.pid)
    with Measured(daemon.pid) as measured:
        for number in range(count):
            routes = random.sample(ipv4, 1000) + random.sample(ipv6, 100)
            edge = EDGES[number % 2]
            try:
                client.call("POST", f"/v1/edges/{edge}/attachments",
                            attachment(edge, number // 2, routes))
            except ApiError as error:
                # Others had the worker's core for a second; the attachment is there.
                if error.status != 503:
                    raise
                figures["late_confirmations"] = figures.get("late_confirmations", 0) + 1
    print(f"{count:,} attachments with 1,100 routes each: {measured.text()}, {before:.0f} MiB "
          "before")
    checks.at_most("memory of the whole process", measured.mib, 1024, "MiB")
    figures["many_seconds"] = measured.seconds
    figures["many_control_seconds"] = measured.cpu_seconds
    figures["many_mib"] = measured.mib


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench-routes", description=__doc__)
    parser.add_argument("--attachments", type=int, default=4000, help="default 4000")
    parser.add_argument("--only", choices=("million", "many"), help="one of the two parts")
    parser.add_argument("--build", default=os.path.join(ROOT, "build"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not 0 < arguments.attachments <= 2 * VLANS:
        parser.error(f"--attachments: 1..{2 * VLANS}")
    programs = os.path.join(arguments.build, "src", "control")
    checks, figures = Checks(), {}
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as template:
        with open(os.path.join(ROOT, "examples", "demo.toml"), encoding="utf-8") as demo:
            template.write(f"max_attachments = {MAX_ATTACHMENTS}\n{demo.read()}")
        template.flush()
        for part in (load_million, load_many):
            if arguments.only and part.__name__ != f"load_{arguments.only}":
                continue
            with Daemon(os.path.join(programs, "isthmusd"), template.name) as daemon:
                client = Client(daemon.socket_path, timeout=60)
                if part is load_million:
                    part(daemon, client, os.path.join(programs, "isthmusctl"), checks, figures)
                else:
                    part(daemon, client, arguments.attachments, checks, figures)
                client.close()
    checks.write(os.path.join(arguments.build, "report", "routes.json"), figures)
    for line in checks.lines():
        print(line)
    return 0 if checks.passed() else 1


if __name__ == "__main__":
    sys.exit(main())
