"""The demo's output: a live view of the traffic, and the list of checks."""

import json
import math
import os
import sys

from demo_counters import CHANNELS, CUSTOMERS, DIRECTIONS


def mbps(bps):
    return f"{bps / 1e6:8.1f}"


def table(rows, right=()):
    """Lines of columns as wide as their widest cell; `right`: columns aligned to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths))
        ]
        yield "  ".join(cells).rstrip()


class LiveView:
    """Once a second: a table that is redrawn in place on a terminal, one line elsewhere."""

    def __init__(self, out=sys.stdout):
        self._out = out
        self._in_place = out.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._drawn = 0

    def say(self, text):
        """A line of the story. What was drawn so far stays above it."""
        self._drawn = 0
        print(text, file=self._out, flush=True)

    def show(self, started, limits, interval):
        if self._in_place:
            self._draw(list(self._table(started, limits, interval)))
        else:
            print(self._line(started, interval), file=self._out, flush=True)

    def _draw(self, lines):
        # A line that wraps would be two lines to move up.
        columns = os.get_terminal_size(self._out.fileno()).columns or 80
        lines = [line[:columns - 1] for line in lines]
        up = f"\x1b[{self._drawn}F" if self._drawn else ""
        self._out.write(up + "".join(f"\x1b[K{line}\n" for line in lines) + "\x1b[J")
        self._out.flush()
        self._drawn = len(lines)

    def _table(self, started, limits, interval):
        yield f"  t = {interval.last.time - started:5.1f} s"
        rows = [("customer", "direction", "offered", "delivered", "limit  Mbps")]
        for customer in CUSTOMERS:
            for source, target in DIRECTIONS:
                limit = limits[customer]
                rows.append(
                    (
                        customer.upper(),
                        f"{source} > {target}",
                        mbps(interval.offered_bps(customer, source)),
                        mbps(interval.delivered_bps(customer, source)),
                        f"{mbps(limit) if limit else '    none'}     ",
                    )
                )
        yield from ("  " + line for line in table(rows, right=(2, 3, 4)))
        rows = [("channel", "aws > gcp", "gcp > aws  packets/s", "admin state")]
        for channel in CHANNELS:
            rows.append(
                (
                    channel,
                    f"{interval.protected_pps(channel, 'aws'):9.0f}",
                    f"{interval.protected_pps(channel, 'gcp'):9.0f}",
                    interval.last.channels[channel, "aws"]["admin_state"],
                )
            )
        yield from ("  " + line for line in table(rows, right=(1,)))
        yield "  drops/s  " + self._drops(interval)

    def _line(self, started, interval):
        parts = [f"{interval.last.time - started:5.1f} s"]
        for customer in CUSTOMERS:
            rates = [
                f"{source}>{target} {interval.delivered_bps(customer, source) / 1e6:.1f}"
                f"/{interval.offered_bps(customer, source) / 1e6:.1f}"
                for source, target in DIRECTIONS
            ]
            parts.append(f"{customer.upper()} {' '.join(rates)} Mbps")
        pps = [
            f"{(interval.protected_pps(c, 'aws') + interval.protected_pps(c, 'gcp')) / 1e3:.1f}"
            for c in CHANNELS
        ]
        parts.append(f"ch1-4 {' '.join(pps)} kpps")
        parts.append(f"drops/s {self._drops(interval)}")
        return " | ".join(parts)

    @staticmethod
    def _drops(interval):
        drops = interval.drops()
        if not drops:
            return "none"
        return " ".join(f"{r} {n / interval.seconds:.0f}" for r, n in sorted(drops.items()))


class Checks:
    """Measured numbers beside what was expected of them."""

    def __init__(self):
        self._checks = []

    def equal(self, name, measured, expected, unit):
        self._add(name, measured, expected, unit, measured == expected)

    def within(self, name, measured, expected, unit, tolerance):
        """`tolerance` is a fraction of what is expected."""
        ok = math.isfinite(measured) and abs(measured - expected) <= tolerance * expected
        self._add(f"{name} (+-{tolerance:.0%})", measured, expected, unit, ok)

    def at_least(self, name, measured, least, unit):
        self._add(f"{name} (at least)", measured, least, unit, measured >= least)

    def at_most(self, name, measured, most, unit):
        self._add(f"{name} (at most)", measured, most, unit, measured <= most)

    def _add(self, name, measured, expected, unit, ok):
        tidy = [round(v, 3) if isinstance(v, float) else v for v in (measured, expected)]
        self._checks.append(
            {"name": name, "measured": tidy[0], "expected": tidy[1], "unit": unit, "ok": bool(ok)}
        )

    def passed(self):
        return bool(self._checks) and all(check["ok"] for check in self._checks)

    def lines(self):
        def number(value):
            return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}"

        rows = [("", "check", "measured", "expected", "unit")]
        for check in self._checks:
            rows.append(
                (
                    "ok" if check["ok"] else "FAIL",
                    check["name"],
                    number(check["measured"]),
                    number(check["expected"]),
                    check["unit"],
                )
            )
        yield from table(rows, right=(2, 3))
        good = sum(check["ok"] for check in self._checks)
        yield f"{good} of {len(self._checks)} checks passed"

    def write(self, path, figures):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"checks": self._checks, "figures": figures}, file, indent=2)
            file.write("\n")


