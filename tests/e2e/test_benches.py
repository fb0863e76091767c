"""The bench scripts in their smallest form: they still run to their end. No time is judged.

scripts/rollover has a test of its own, and what scripts/bench-hostile runs is one. scripts/bench-idle
takes more than a minute.
"""

import os
import re
import subprocess
import tempfile

import tap  # also makes scripts/ importable
from demo_daemon import Daemon
from isthmus_client import ApiError, Client
from tap import expect, expect_equal

ROUND = ("--rounds", "1", "--sizes", "60")


def link_build(folder):
    """A build folder with the same programs, so that the real one keeps its reports."""
    for part in ("src", "bench"):
        os.symlink(os.path.join(tap.BUILD, part), os.path.join(folder, part))
    os.environ.update(ISTHMUS_BUILD=folder, ISTHMUS_NO_BUILD="1")


def bench(name, *arguments, program=()):
    command = [*program, os.path.join(tap.ROOT, "scripts", name), *arguments]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=100, check=False)
    tap.diagnose(done.stdout)
    expect_equal(done.returncode, 0, "exit code")
    return done.stdout


def two_benchmarks_of_all():
    names = "stage/meter/64", "macsec/protect/ipsec_mb/GCM-AES-128/64"
    table = bench("bench", "|".join(f"{name}/" for name in names))
    for name in names:
        expect(re.search(rf"(?m)^{name} +[\d.]+ +[\d.]+", table), f"{name} is missing")


def one_and_two_workers():
    for more in (), ("--shared", "--kinds", "plain"):
        bench("bench-workers", *ROUND, "--seconds", "0.5", *more)


def disturbances():
    bench("bench-disturb", "--seconds", "0.5", "--gbps", "0.2")


def the_edge_among_its_peers():
    # The others need the source of DPDK.
    bench("bench_peers.py", *ROUND, "--seconds", "0.3", "--only", "isthmusd,isthmusd-macsec",
          "--build", os.environ["ISTHMUS_BUILD"], program=("/usr/bin/python3",))


def forwarding_through_ports():
    bench("bench-ports", *ROUND, "--seconds", "0.3", "--only", "pcap")


def ports_of_af_xdp():
    table = bench("bench-xdp", "1", "0.2")
    expect_equal(len(re.findall(r"(?m)^\d+ +(?:net_af_)?xdp +[\d.]+ +[\d.]+$", table)), 4, "rows")


def routes_of_attachments():
    bench("bench-routes", "--only", "many", "--attachments", "10")


def a_restart():
    bench("bench-restart", "--attachments", "100", "--routes", "10000", "--restarts", "1",
          "--goal", "60")


def a_refused_body_is_told_to_the_client():
    daemon = Daemon(os.path.join(tap.BUILD, "src", "control", "isthmusd"),
                    os.path.join(tap.ROOT, "examples", "demo.toml"))
    with daemon:
        client = Client(daemon.socket_path)
        try:
            client.call("POST", "/v1/edges/aws/attachments", {"name": "a" * 4_000_000})
        except ApiError as error:
            expect_equal(error.status, 413, "status")
        else:
            expect(False, "a body of 4 MB was taken")
        expect(client.get("/v1/status"), "no status after it")
        client.close()


if __name__ == "__main__":
    tap.require_root()
    for there, what in ((len(os.sched_getaffinity(0)) > 1, "two cores"),
                        (os.path.isdir(os.path.join(tap.BUILD, "bench")), "a build with -Dbench=true")):
        if not there:
            print(f"1..0 # SKIP needs {what}")
            raise SystemExit
    with tempfile.TemporaryDirectory(prefix="isthmus-benches-") as build:
        link_build(build)
        raise SystemExit(tap.run_cases([
            two_benchmarks_of_all, one_and_two_workers, disturbances, the_edge_among_its_peers,
            forwarding_through_ports, ports_of_af_xdp, routes_of_attachments, a_restart,
            a_refused_body_is_told_to_the_client]))
