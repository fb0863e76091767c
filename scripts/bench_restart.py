"""From the start of isthmusd to the first packet that crosses both edges, with what is in its state
file. Run it with scripts/bench-restart."""

import argparse
import os
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
import time

from demo_counters import CHANNELS, EDGES, other
from demo_report import Checks
from isthmus_client import ApiError, Client

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NET = {"aws": 1, "gcp": 2}
DIRECTIONS = (("aws", "gcp"), ("gcp", "aws"))
VLANS = 4000  # of a port
GOAL_SECONDS = 5


class Edge:
    """The daemon, started again and again on one state file."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.config = os.path.join(folder, "edge.toml")
        self.socket = os.path.join(folder, "isthmusd.sock")
        key = os.path.join(folder, "key")
        with open(os.open(key, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(os.urandom(32))
        with open(os.path.join(ROOT, "examples", "demo.toml"), encoding="utf-8") as file:
            text = file.read()
        cores = sorted(os.sched_getaffinity(0))
        for name, value in (("socket", f'"{self.socket}"'), ("main_core", cores[0]),
                            ("state", f'"{folder}/state.db"'), ("worker_cores", [cores[-1]])):
            text = re.sub(rf"(?m)^{name} *=.*$", f"{name} = {value}", text, count=1)
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f'max_attachments = 16384\nsecrets_key_file = "{key}"\n{text}')
        self.process = None

    def start(self):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen([self.program, "--config", self.config], stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL)
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        while True:
            if self.process.poll() is not None:
                raise SystemExit("isthmusd has ended:\n" + self.log())
            client = Client(self.socket, timeout=60)
            try:
                client.get("/v1/status")
                return client
            except OSError:
                time.sleep(0.005)

    def log(self):
        with open(os.path.join(self.folder, "log"), encoding="utf-8") as file:
            return file.read()

    def thread_seconds(self):
        """The control thread's time on a core, and waiting for one that others had."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/schedstat",
                  encoding="ascii") as file:
            return [int(field) / 1e9 for field in file.read().split()[:2]]

    def kill(self):
        self.process.kill()
        self.process.wait()


def attachment(edge, number, routes):
    here, there = NET[edge], NET[other(edge)]
    n = number % len(CHANNELS)
    return {
        "name": f"customer-{number}",
        "port": f"{edge}-{'ab'[number // VLANS]}",
        "vlan": 1 + number % VLANS,
        "addresses": [f"10.{here}.0.1/24"],
        "features": {CHANNELS[n]: {"vlan": 1025 + number // len(CHANNELS),
                                   "addresses": [f"169.254.{n}.{here}/30"],
                                   "peer_ipv4": f"169.254.{n}.{there}"}},
        "routes": [{"prefix": f"10.{there}.0.0/24", "via": "channels"}] + [
            {"prefix": f"{20 + r % 100}.{r // 100 % 256}.{number % 256}.0/24", "via": "channels"}
            for r in range(routes - 1)],
    }


def call(client, verb, path, body):
    try:
        client.call(verb, path, body)
    except ApiError as error:
        if "the change is made" not in str(error):
            raise


def fill(client, count, routes):
    """An edge in one step: one by one, ten thousand attachments would take minutes."""
    for side, edge in enumerate(EDGES):
        attachments = [attachment(edge, number // 2, routes // count)
                       for number in range(side, count, 2)]
        call(client, "POST", "/v1/apply", {"edges": [{"name": edge, "attachments": attachments}]})
    for channel in CHANNELS:
        for sender, receiver in DIRECTIONS:
            tx, rx = (f"/v1/edges/{edge}/channels/{channel}" for edge in (sender, receiver))
            sa = {"an": 0, "sak": secrets.token_hex(32), "salt": secrets.token_hex(12), "ssci": 1}
            (sc,) = client.get(tx)["tx_scs"]
            call(client, "POST", f"{rx}/rx-scs", {"sci": sc["sci"]})
            call(client, "POST", f"{rx}/rx-scs/{sc['sci']}/sas", sa)
            call(client, "POST", f"{tx}/tx-sas", sa)


def send(client):
    """The simulated hosts of the first customer are no part of what is kept. It has a feature on one
    channel, and flows go over all: a share of them crosses. The receiver is there first, or the
    question for it would be asked again a second later."""
    for edge in reversed(EDGES):
        here, there = NET[edge], NET[other(edge)]
        client.call("PUT", f"/v1/edges/{edge}/ports/{edge}-a/traffic",
                    {"tag": 1, "vlan": 1, "addresses": [f"10.{here}.0.10"],
                     "streams": [{"source": f"10.{here}.0.10",
                                  "destination": f"10.{there}.0.10", "rate_bps": 10_000_000,
                                  "flows": 64,
                                  "sizes": [{"ip_bytes": 256, "weight": 1}]}]})


def received(client):
    return client.get("/v1/edges/gcp/ports/gcp-a/traffic")["received_packets"]


def crossing(client, begin):
    while received(client) == 0:
        if time.monotonic() - begin > 60:
            raise SystemExit("nothing has crossed after a minute")
        time.sleep(0.005)
    return time.monotonic() - begin


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench-restart", description=__doc__)
    parser.add_argument("--attachments", type=int, default=10_000, help="default 10000")
    parser.add_argument("--routes", type=int, default=1_000_000, help="of all; default 1000000")
    parser.add_argument("--restarts", type=int, default=5, help="default 5")
    parser.add_argument("--goal", type=float, default=GOAL_SECONDS,
                        help=f"seconds to the first packet; default {GOAL_SECONDS}")
    parser.add_argument("--build", default=os.path.join(ROOT, "build"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not 0 < options.attachments <= 2 * 2 * VLANS or options.restarts < 1:
        parser.error(f"--attachments: 1..{4 * VLANS}; --restarts: at least 1")
    checks, figures = Checks(), {}
    program = os.path.join(options.build, "src", "control", "isthmusd")
    with tempfile.TemporaryDirectory(prefix="isthmus-restart-") as folder:
        edge = Edge(program, folder)
        client = edge.start()
        try:
            begin = time.monotonic()
            fill(client, options.attachments, options.routes)
            figures["fill_seconds"] = time.monotonic() - begin
            send(client)
            crossing(client, time.monotonic())
            size = sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder)
                       if name.startswith("state.db")) / 2**20
            print(f"{options.attachments:,} attachments and {options.routes:,} routes installed in "
                  f"{figures['fill_seconds']:.1f} s; the state file has {size:.0f} MiB", flush=True)
            listening, first, control = [], [], []
            for _ in range(options.restarts):
                edge.kill()
                begin = time.monotonic()
                client = edge.start()
                listening.append(time.monotonic() - begin)
                send(client)
                first.append(crossing(client, begin))
                control.append(edge.thread_seconds())
                print(f"listens after {listening[-1]:.2f} s, the first packet has crossed after "
                      f"{first[-1]:.2f} s; the control thread ran for {control[-1][0]:.2f} s and "
                      f"waited for a core for {control[-1][1]:.2f} s", flush=True)
        finally:
            edge.kill()
    figures |= {"listening_seconds": listening, "first_packet_seconds": first,
                "control_seconds": [ran for ran, _ in control],
                "waited_seconds": [waited for _, waited in control]}
    checks.at_most("first packet after a start, median", statistics.median(first), options.goal,
                   "s")
    checks.write(os.path.join(options.build, "report", "restart.json"), figures)
    for line in checks.lines():
        print(line)
    return 0 if checks.passed() else 1


if __name__ == "__main__":
    sys.exit(main())
