"""Test cases as functions, reported in the Test Anything Protocol that meson reads.

Each function is one case: it passes unless it raises. An exception's traceback goes to the log.
"""

import os
import subprocess
import sys
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("ISTHMUS_BUILD", "build")
if not os.path.isabs(BUILD):
    BUILD = os.path.join(ROOT, BUILD)

sys.path.insert(0, os.path.join(ROOT, "scripts"))


class Skip(Exception):
    pass


def require_root():
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        sys.exit(0)


def diagnose(text):
    for line in str(text).rstrip().splitlines():
        print(f"# {line}", flush=True)


def run_cases(cases, before=None, after=None):
    """Runs all cases in order, between before() and after(), whatever happens. The exit code."""
    print(f"1..{len(cases)}", flush=True)
    failed = 0
    try:
        if before:
            before()
        for number, case in enumerate(cases, start=1):
            failed += not _run_case(number, case)
    except Exception:
        diagnose(traceback.format_exc())
        print("Bail out! the test could not be set up", flush=True)
        failed += 1
    finally:
        if after:
            after()
    return 1 if failed else 0


def _run_case(number, case):
    name = case.__name__.replace("_", " ")
    begin = time.monotonic()
    try:
        case()
    except Skip as reason:
        print(f"ok {number} - {name} # SKIP {reason}", flush=True)
        return True
    except Exception:
        print(f"not ok {number} - {name}", flush=True)
        diagnose(traceback.format_exc())
        return False
    print(f"ok {number} - {name}", flush=True)
    diagnose(f"{time.monotonic() - begin:.2f} s")
    return True


def run(*command, timeout=30, check=True, env=None, stdin=None):
    """Output of a command, standard error included."""
    done = subprocess.run(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        input=stdin,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
        env={**os.environ, "ISTHMUS_NO_BUILD": "1", "LC_ALL": "C.UTF-8", **(env or {})},
    )
    if check and done.returncode:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def expect(condition, message):
    if not condition:
        raise AssertionError(message)


def expect_equal(measured, expected, what):
    expect(measured == expected, f"{what}: {measured!r}, expected {expected!r}")
