"""scripts/rollover, shorter: SAs are replaced under full load and nothing is lost or late."""

import os
import subprocess

import tap
from tap import expect_equal

COUNT = 100


def a_hundred_rollovers_lose_nothing():
    done = subprocess.run(
        [os.path.join(tap.ROOT, "scripts", "rollover"), "--count", str(COUNT), "--build", tap.BUILD],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=150, check=False, env={**os.environ, "ISTHMUS_NO_BUILD": "1"},
    )
    tap.diagnose(done.stdout)
    expect_equal(done.returncode, 0, "exit code")


if __name__ == "__main__":
    raise SystemExit(tap.run_cases([a_hundred_rollovers_lose_nothing]))
