"""scripts/demo as a user runs it, without a terminal: its checks, its report, and its end."""

import glob
import json
import os
import signal
import subprocess
import tempfile
import time

import tap
from tap import expect, expect_equal

DEMO = os.path.join(tap.ROOT, "scripts", "demo")
REPORT = os.path.join(tap.BUILD, "report", "demo.json")
# Its temporary folders go where nobody else's are.
SCRATCH = tempfile.TemporaryDirectory(prefix="isthmus-e2e-")
ENVIRONMENT = {**os.environ, "ISTHMUS_NO_BUILD": "1", "TMPDIR": SCRATCH.name}

state = {}


def demo_passes_its_own_checks():
    if os.path.exists(REPORT):
        os.unlink(REPORT)
    begin = time.monotonic()
    done = subprocess.run(
        [DEMO], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=120, env=ENVIRONMENT, check=False,
    )
    state["seconds"] = time.monotonic() - begin
    state["output"] = done.stdout
    tap.diagnose(done.stdout)
    expect_equal(done.returncode, 0, "exit code")


def takes_less_than_a_minute():
    expect(state["seconds"] < 60, f"{state['seconds']:.1f} s")


def report_has_its_documented_form():
    with open(REPORT, encoding="utf-8") as file:
        report = json.load(file)
    expect_equal(sorted(report), ["checks", "figures"], "members")
    expect(len(report["checks"]) >= 20, f"{len(report['checks'])} checks")
    for check in report["checks"]:
        expect_equal(sorted(check), ["expected", "measured", "name", "ok", "unit"], "a check")
        expect(check["ok"] is True, f"check {check}")
    for figure in ("steady_gbps", "max_gbps_per_core", "max_kpps_per_core", "seconds"):
        expect(report["figures"][figure] > 0, figure)


def output_is_plain_without_a_terminal():
    expect("\x1b" not in state["output"], "escape sequences in the output")


def leaves_no_file_behind():
    expect_equal(os.listdir(SCRATCH.name), [], "temporary files")


def shows_only_what_it_was_told_about_keys():
    # 32 octets in hexadecimal would be a key.
    long_words = [w for w in state["output"].split() if len(w) >= 64 and "/" not in w]
    expect_equal(long_words, [], "long words in the output")


def cleans_up_when_it_is_interrupted():
    process = subprocess.Popen(
        [DEMO], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
    )
    try:
        deadline = time.monotonic() + 20
        while not glob.glob(f"{SCRATCH.name}/isthmus-demo-*/isthmusd.sock"):
            expect(time.monotonic() < deadline, "the daemon's socket does not appear")
            time.sleep(0.05)
        daemons = children(process.pid)
        expect(daemons, "the demo has no daemon")
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        expect_equal(process.wait(15), 128 + signal.SIGTERM, "exit code")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    expect(not any(os.path.exists(f"/proc/{pid}") for pid in daemons), "the daemon still runs")
    expect_equal(os.listdir(SCRATCH.name), [], "temporary files")


def children(pid):
    path = f"/proc/{pid}/task/{pid}/children"
    with open(path, encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


if __name__ == "__main__":
    raise SystemExit(
        tap.run_cases(
            [
                demo_passes_its_own_checks,
                takes_less_than_a_minute,
                report_has_its_documented_form,
                output_is_plain_without_a_terminal,
                shows_only_what_it_was_told_about_keys,
                leaves_no_file_behind,
                cleans_up_when_it_is_interrupted,
            ],
            after=SCRATCH.cleanup,
        )
    )
