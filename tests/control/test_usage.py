"""Metering for billing: what records of usage say, disks that are full, files of older versions, and
what isthmusctl exports.

    test_usage.py ISTHMUSD ISTHMUSCTL [unittest's own arguments]
"""

import contextlib
import csv
import io
import json
import resource
import sqlite3
import subprocess
import sys
import time

import usage_wire
from api_daemon import Daemon
from edge_case import run_tests
from usage_case import DAILY, UsageTest, seconds, with_usage

PROGRAM = CONTROL = None

def setUpModule():
    UsageTest.program = PROGRAM


class Records(UsageTest):
    def test_lives(self):
        daemon = self.start()
        lives = []
        for _ in range(3):
            self.ok(daemon, "POST", "/edges/aws/attachments", usage_wire.attachment())
            self.metered(daemon)
            self.ok(daemon, "DELETE", "/edges/aws/attachments/acme")
        self.ok(daemon, "POST", "/edges/aws/attachments", usage_wire.attachment())
        self.ok(daemon, "POST", "/edges/aws/attachments",
                dict(usage_wire.attachment("other"), vlan=7, features={}, routes=[]))
        # Replaced, it is the same.
        self.ok(daemon, "PUT", "/edges/aws/attachments/acme", usage_wire.attachment())
        self.metered(daemon)
        self.kill(daemon)
        daemon.start()
        self.metered(daemon)
        records = self.records(daemon, "&name=acme")
        self.check_chain(records)
        lives = sorted({record["life"] for record in records})
        self.assertEqual(len(lives), 4)
        for record in records:
            self.assertEqual((record["edge"], record["attachment"]), ("aws", "acme"))
            self.assertEqual(record["open"], record["life"] == lives[-1] and record is records[-1])
            if record["life"] != lives[-1]:
                self.assertIn("removed", record["flags"])
        self.assertEqual({record["attachment"] for record in self.records(daemon)},
                         {"acme", "other"})
        self.assertEqual(self.usage(daemon, edge="gcp")["usage"], [])

    def test_a_name_that_takes_the_place_of_another_in_one_step(self):
        daemon = self.start(DAILY)
        first = usage_wire.attachment()
        self.ok(daemon, "POST", "/edges/aws/attachments", first)
        document = {"edges": [{"name": "aws", "attachments": [dict(first, name="next")]}]}
        self.ok(daemon, "POST", "/apply?allow_removals=true", document)
        self.metered(daemon)
        records = self.records(daemon)
        self.assertEqual([(r["attachment"], r["open"]) for r in records],
                         [("acme", False), ("next", True)])
        self.assertNotEqual(records[0]["life"], records[1]["life"])

    def test_intervals_pages_and_bounds(self):
        daemon = self.start()
        for number in range(5):
            self.ok(daemon, "POST", "/edges/aws/attachments",
                    dict(usage_wire.attachment(f"c{number}"), vlan=1 + number, features={},
                         routes=[]))
        closed = self.wait_for(lambda: [r for r in self.records(daemon) if not r["open"]], 30)
        closed = self.wait_for(lambda: [r for r in self.records(daemon) if r["complete"]], 30)
        records = self.records(daemon)
        self.check_chain(records)
        for record in closed:
            self.assertEqual(seconds(record["interval"]) % 10, 0)
            self.assertEqual(seconds(record["interval_end"]) - seconds(record["interval"]), 10)
            self.assertEqual((record["from"], record["to"]),
                             (record["interval"], record["interval_end"]))
        # Pages of any size: the same records, each once.
        fixed = [r for r in records if not r["open"]]
        bound = f"&to={fixed[-1]['interval_end']}"
        for limit in (1, 2, 3, 7):
            found, after = [], ""
            while True:
                page = self.usage(daemon, f"?limit={limit}{bound}{after}")
                self.assertLessEqual(len(page["usage"]), limit)
                found += page["usage"]
                if page["next"] is None:
                    break
                after = f"&after={page['next']}"
            self.assertEqual(found, fixed, limit)
        # Windows that touch: nothing twice, nothing left out.
        middle = fixed[-1]["interval"]
        self.assertEqual(self.records(daemon, f"&to={middle}")
                         + self.records(daemon, f"&from={middle}{bound}"), fixed)
        self.assertEqual(self.records(daemon, "&to=2001-01-01T00:00:00Z"), [])
        self.assertEqual(self.records(daemon, "&from=2200-01-01T00:00:00Z"), [])

    def test_refused(self):
        daemon = self.start()
        self.ok(daemon, "POST", "/edges/aws/attachments", usage_wire.attachment())
        for query, status, field in (
            ("from=yesterday", 400, "from"),
            ("to=2026-02-30T00:00:00Z", 400, "to"),
            ("from=2026-11-28T00:00:00Z&to=2026-11-27T00:00:00Z", 400, "to"),
            ("after=x", 400, "after"),
            ("after=1.2x", 400, "after"),
            ("after=99999999999999999999.1", 400, "after"),
            ("limit=0", 400, "limit"),
            ("limit=10001", 400, "limit"),
            ("name=nobody", 404, "name"),
            ("attachment=acme", 400, "query"),
        ):
            reply = daemon.call("GET", f"/edges/aws/usage?{query}")
            self.assertEqual((reply.status, reply.error.get("field")), (status, field), query)
        self.assertEqual(daemon.call("GET", "/edges/nowhere/usage").status, 404)

    def test_nothing_is_kept(self):
        with Daemon(PROGRAM) as daemon:
            reply = daemon.call("GET", "/edges/aws/usage")
            self.assertEqual(reply.status, 503)
            self.assertIn("state is none", reply.error["message"])
            status = self.ok(daemon, "GET", "/status")
            self.assertEqual((status["usage_ok"], status["usage_metered_to"]), (False, None))

    def test_wrong_configuration(self):
        daemon = self.start()
        self.assertEqual(daemon.stop(), 0)
        with open(daemon.config, encoding="utf-8") as file:
            text = file.read()
        for old, new in (("interval_s = 10", "interval_s = 7"), ("interval_s = 10", "interval_s = 5"),
                         ("interval_s = 10", "interval_s = 172800"),
                         ("checkpoint_s = 1", "checkpoint_s = 0"),
                         ("checkpoint_s = 1", "checkpoint_s = 61"),
                         ("checkpoint_s = 1", "keep_days = 0")):
            with open(daemon.config, "w", encoding="utf-8") as file:
                file.write(text.replace(old, new, 1))
            done = subprocess.run([PROGRAM, "--config", daemon.config, "--check"],
                                  capture_output=True, timeout=60, check=False)
            output = (done.stdout + done.stderr).decode()
            self.assertEqual(done.returncode, 1, output)
            key, value = new.split(" = ")
            self.assertIn(key, output)
            self.assertIn(value, output)


class Files(UsageTest):
    def test_version_2_is_brought_up(self):
        daemon = self.start(DAILY)
        self.ok(daemon, "POST", "/edges/aws/attachments", usage_wire.attachment())
        self.assertEqual(daemon.stop(), 0)
        self.sql(daemon, "DROP TABLE usage; DROP TABLE usage_open; DROP TABLE usage_lives;"
                         "DROP TABLE usage_end; PRAGMA user_version = 2;")
        daemon.start()
        self.metered(daemon)
        (record,) = self.records(daemon)
        self.assertEqual((record["attachment"], record["open"], record["flags"]),
                         ("acme", True, ["added"]))
        self.assertEqual(record["unknown_ms"], 0)
        self.ok(daemon, "DELETE", "/edges/aws/attachments/acme")
        self.assertEqual(daemon.stop(), 0)
        with contextlib.closing(sqlite3.connect(daemon.state_path)) as database:
            self.assertEqual(database.execute("PRAGMA user_version").fetchone(), (3,))
            self.assertEqual(database.execute("PRAGMA integrity_check").fetchone(), ("ok",))
            self.assertEqual(database.execute("SELECT name, closed FROM usage_lives").fetchall(),
                             [("acme", 1)])

    def test_numbers_of_64_bits(self):
        daemon = self.start()
        self.ok(daemon, "POST", "/edges/aws/attachments", usage_wire.attachment())
        self.assertEqual(daemon.stop(), 0)
        # 2^63 + 5 before, 2^64 - 2 now.
        self.sql(daemon, "UPDATE usage_open SET egress_bytes_before = -9223372036854775803,"
                         " egress_bytes = -2, metered_from = metered_from - 100")
        daemon.start()
        record = self.records(daemon)[-1]
        if not record["open"] or record["egress_bytes"] == 0:  # an interval has ended meanwhile
            record = self.records(daemon)[0]
        self.assertEqual(record["egress_bytes_total"], 2**64 - 2)
        self.assertEqual(record["egress_bytes"], 2**63 - 7)
        rows = list(csv.DictReader(io.StringIO(self.export(daemon, "--format", "csv"), newline="")))
        self.assertIn(str(2**63 - 7), [row["egress_bytes"] for row in rows])

    def export(self, daemon, *arguments):
        done = subprocess.run([CONTROL, "--socket", daemon.socket_path, "--edge", "aws", "usage",
                               *arguments], capture_output=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return done.stdout.decode()

    def test_an_attachment_that_is_forgotten(self):
        daemon = self.start()
        self.ok(daemon, "POST", "/edges/aws/attachments", usage_wire.attachment())
        self.metered(daemon)
        self.kill(daemon)
        self.sql(daemon, "DELETE FROM attachments; DELETE FROM features; DELETE FROM routes;")
        daemon.start()
        self.ok(daemon, "POST", "/edges/aws/attachments", usage_wire.attachment())
        self.metered(daemon)
        records = self.records(daemon)
        self.check_chain(records)
        self.assertEqual(len({record["life"] for record in records}), 2)
        self.assertIn("removed", records[0]["flags"])

    def test_old_records_go(self):
        daemon = self.start(with_usage("interval_s = 86400\nkeep_days = 2"))
        self.ok(daemon, "POST", "/edges/aws/attachments", usage_wire.attachment())
        self.metered(daemon)
        life = self.records(daemon)[0]["life"]
        self.assertEqual(daemon.stop(), 0)
        self.sql(daemon, "".join(
            f"INSERT INTO usage VALUES ({day * 86400000}, {life + 1000 * (day < 3)},"
            f" {day * 86400000 + 86400000}, {day * 86400000}{', 0' * 14});"
            for day in range(1, 6))
            + f"INSERT INTO usage_lives VALUES ({life + 1000}, 9, 'aws', 'old', 1, 86400001, 1);")
        daemon.start()
        self.wait_for(lambda: len(self.records(daemon)) == 3)
        self.assertEqual([r["open"] for r in self.records(daemon)], [False, False, True])
        self.assertEqual(daemon.call("GET", "/edges/aws/usage?name=old").status, 404)

    def test_a_full_disk(self):
        daemon = self.start()
        self.ok(daemon, "POST", "/edges/aws/attachments", usage_wire.attachment())
        self.metered(daemon)
        pid = daemon.process.pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, hard))
        self.wait_for(lambda: not self.ok(daemon, "GET", "/status")["usage_ok"])
        told = self.usage(daemon)["metered_to"]
        time.sleep(12)  # longer than an interval
        self.assertEqual(self.usage(daemon)["metered_to"], told)
        self.check_chain(self.records(daemon))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
        self.wait_for(lambda: self.ok(daemon, "GET", "/status")["usage_ok"])
        self.metered(daemon)
        records = self.records(daemon)
        self.check_chain(records)
        self.assertEqual([r["unknown_ms"] for r in records], [0] * len(records))
        kinds = [event["kind"] for event in self.ok(daemon, "GET", "/events")["events"]]
        self.assertLess(kinds.index("usage_trouble"), kinds.index("usage_recovered"))


class Export(UsageTest):
    def run_ctl(self, daemon, *arguments):
        done = subprocess.run([CONTROL, "--socket", daemon.socket_path, "--edge", "aws", "usage",
                               *arguments], capture_output=True, timeout=60, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def test_csv_and_json(self):
        daemon = self.start()
        for number in range(3):
            self.ok(daemon, "POST", "/edges/aws/attachments",
                    dict(usage_wire.attachment(f"c{number}"), vlan=1 + number, features={},
                         routes=[]))
        self.wait_for(lambda: [r for r in self.records(daemon) if not r["open"]], 30)
        bound = self.records(daemon)[-1]["interval"]
        expected = self.records(daemon, f"&to={bound}")
        code, text, _ = self.run_ctl(daemon, "--to", bound, "--format", "json")
        self.assertEqual(code, 0)
        document = json.loads(text)
        self.assertEqual(document["usage"], expected)
        self.assertEqual(document["measurement_point"], "customer-ip-delivered")
        code, text, _ = self.run_ctl(daemon, "--to", bound, "--format", "csv")
        self.assertEqual(code, 0)
        self.assertTrue(text.endswith("\r\n"))
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
        self.assertEqual(len(rows), len(expected))
        for row, record in zip(rows, expected):
            self.assertEqual(set(row), set(record))
            for name, value in record.items():
                shown = (" ".join(value) if isinstance(value, list) else
                         str(value).lower() if isinstance(value, bool) else
                         "" if value is None else str(value))
                self.assertEqual(row[name], shown, name)
        code, text, _ = self.run_ctl(daemon, "--attachment", "c1", "--closed", "--format", "csv")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        self.assertEqual({(row["attachment"], row["open"]) for row in rows}, {("c1", "false")})
        code, text, _ = self.run_ctl(daemon)
        self.assertEqual(code, 0)
        self.assertIn("ATTACHMENT", text)
        code, text, _ = self.run_ctl(daemon, "--from", "2200-01-01T00:00:00Z", "--format", "json")
        self.assertEqual(json.loads(text)["usage"], [])

    def test_wrong_arguments(self):
        daemon = self.start()
        for arguments, parts in (
            (("--from", "yesterday"), ("from yesterday", "RFC 3339")),
            (("--to", "2026-11-31T00:00:00Z"), ("to 2026-11-31T00:00:00Z", "RFC 3339")),
            (("--from", "2026-11-02T00:00:00Z", "--to", "2026-11-01T00:00:00Z"),
             ("2026-11-01T00:00:00.000Z", "2026-11-02T00:00:00.000Z")),
            (("--attachment", "nobody"), ("nobody",)),
            (("--format", "xml"), ("xml", "csv")),
        ):
            code, text, error = self.run_ctl(daemon, *arguments, *(("--format", "csv") if
                                             "xml" not in arguments else ()))
            self.assertNotEqual(code, 0, arguments)
            self.assertEqual(text, "", arguments)
            for part in parts:
                self.assertIn(part, error)


if __name__ == "__main__":
    run_tests(sys.modules[__name__], ("PROGRAM", "CONTROL"))
