"""Adds up test cases: meson's reports of several runs, and a list of single steps.

Prints what failed, and as the last line "N passed, N failed". Exits non-zero if anything failed or
if nothing was tested.
"""

import argparse
import json
import os
import sys
import xml.etree.ElementTree as ElementTree

GOOD = ("OK", "EXPECTEDFAIL", "SKIP")


class Totals:
    def __init__(self):
        self.passed = 0
        self.skipped = []
        self.failed = []


def program_results(log):
    """Result of each test program, by its name: meson writes one JSON object per line."""
    with open(log + ".json", encoding="utf-8") as file:
        return {entry["name"]: entry["result"] for entry in map(json.loads, file)}


def add_run(totals, log):
    label = os.path.basename(os.path.dirname(os.path.dirname(log)))
    try:
        programs = program_results(log)
        root = ElementTree.parse(log + ".junit.xml").getroot()
    except (OSError, ValueError, ElementTree.ParseError) as error:
        totals.failed.append(f"{label}: no test report {os.path.basename(log)} ({error})")
        return
    bad = {name: result for name, result in programs.items() if result not in GOOD}
    explained = set()
    for suite in root.iter("testsuite"):
        for case in suite.findall("testcase"):
            program = next((p for p in bad if belongs(suite, case, p)), None)
            name = f"{label}: {suite.get('name').rsplit(' / ', 1)[-1]}: {case.get('name')}"
            if case.find("failure") is not None or case.find("error") is not None:
                totals.failed.append(name)
                explained.add(program)
            elif case.find("skipped") is not None or case.get("status") == "notrun":
                totals.skipped.append(name)
            elif program is not None and case.get("name") == program:
                # The report of a program that ran out of time has no mark of its own.
                totals.failed.append(f"{name}: {bad[program]}")
                explained.add(program)
            else:
                totals.passed += 1
    for program, result in bad.items():
        if program not in explained:
            totals.failed.append(f"{label}: {program}: {result}")


def belongs(suite, case, program):
    """A program is one case of a common suite, or has suites: PROJECT.PROGRAM[.SUITE]."""
    return case.get("name") == program or f".{program}." in f"{suite.get('name')}."


def add_steps(totals, path):
    with open(path, encoding="utf-8") as file:
        for line in file:
            result, name = line.rstrip("\n").split("\t", 1)
            if result == "passed":
                totals.passed += 1
            else:
                totals.failed.append(name)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", help="file of lines: passed|failed, TAB, name")
    parser.add_argument("logs", nargs="*", help="BUILD/meson-logs/NAME, without endings")
    arguments = parser.parse_args()
    totals = Totals()
    if arguments.steps:
        add_steps(totals, arguments.steps)
    for log in arguments.logs:
        add_run(totals, log)
    for name in totals.skipped:
        print(f"skipped  {name}")
    for name in totals.failed:
        print(f"FAILED   {name}")
    line = f"{totals.passed} passed, {len(totals.failed)} failed"
    if totals.skipped:
        line += f", {len(totals.skipped)} skipped"
    print(line, flush=True)
    return 0 if totals.passed and not totals.failed else 1


if __name__ == "__main__":
    sys.exit(main())
