"""isthmusctl against a running daemon: what it prints, and its exit codes.

    test_ctl.py ISTHMUSD ISTHMUSCTL [unittest's own arguments]
"""

import json
import os
import subprocess
import sys
import unittest

from api_daemon import Daemon

DAEMON_PROGRAM = None
PROGRAM = None
SAK = "00112233445566778899aabbccddeeff" * 2
XPN_SAK = "c3" * 32


# As `ip -s macsec show` has them, and the two sums of 802.1AE-2018.
MIB_SECY = (
    "InPktsUntagged InPktsNoTag InPktsBadTag InPktsUnknownSCI InPktsNoSCI OutPktsUntagged "
    "OutPktsTooLong InPktsNoSA InPktsNoSAError"
)
MIB_TX_SC = "OutPktsProtected OutPktsEncrypted OutOctetsProtected OutOctetsEncrypted"
MIB_RX_SC = (
    "InOctetsValidated InOctetsDecrypted InPktsUnchecked InPktsDelayed InPktsOK InPktsInvalid "
    "InPktsLate InPktsNotValid InPktsNotUsingSA InPktsUnusedSA"
)
MIB_RX_SA = "InPktsOK InPktsInvalid InPktsNotValid InPktsNotUsingSA InPktsUnusedSA"


class CtlTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(DAEMON_PROGRAM).__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.daemon.__exit__()

    def run_ctl(self, *arguments, stdin="", edge="aws"):
        environment = {"ISTHMUS_SOCKET": self.daemon.socket_path}
        if edge:
            environment["ISTHMUS_EDGE"] = edge
        return subprocess.run(
            [PROGRAM, *arguments],
            input=stdin,
            env=environment,
            capture_output=True,
            text=True,
            timeout=30,
        )

    def ok(self, *arguments, **options):
        done = self.run_ctl(*arguments, **options)
        self.assertEqual(done.returncode, 0, f"{arguments}: {done.stderr}")
        self.assertEqual(done.stderr, "")
        return done.stdout

    def fails(self, code, message, *arguments, **options):
        done = self.run_ctl(*arguments, **options)
        self.assertEqual(done.returncode, code, f"{arguments}: {done.stderr}")
        self.assertIn(message, done.stderr)
        for secret in (SAK, XPN_SAK):
            self.assertNotIn(secret, done.stderr + done.stdout)

    def tables(self, *arguments):
        """The rows of all tables, without their titles, as lists of words."""
        return [line.split() for line in self.ok(*arguments).splitlines() if line][1:]

    def test_show(self):
        self.assertIn("edges                aws, gcp", self.ok("show", "status"))
        self.assertEqual(self.tables("show", "edges"), [["aws", "aws"], ["gcp", "gcp"]])
        self.assertEqual(self.tables("show", "interconnects"), [["to-gcp", "gcp", "ch1,ch2,ch3,ch4"]])
        self.assertEqual(len(self.tables("show", "channels")), 4)
        self.assertEqual(len(self.tables("show", "ports")), 6)
        self.assertIn("UNACCOUNTED", self.ok("show", "counters"))
        drops = self.tables("show", "drops")
        self.assertIn(["aws", "no_route", "fib", "0"], [line[:4] for line in drops])
        self.assertEqual({line[0] for line in drops}, {"aws"})
        shown = json.loads(self.ok("--json", "show", "edges"))
        self.assertEqual(len(shown["edges"]), 2)

    def test_mtu(self):
        self.ok(*"attachment add m1 --port aws-b --vlan 8 --mtu 1400 --mss-clamp auto".split(),
                *"--address 10.8.0.1/24".split())
        self.ok(*"feature set m1 ch1 --vlan 1030 --address 169.254.8.1/30 --peer 169.254.8.2".split())
        rows = self.tables("show", "mtu")
        self.assertIn("aws-b - 1500 4 0 0 1504 14 1518".split(), rows)
        self.assertIn("aws-ch1 ch1 1500 4 16 16 1536 14 1550".split(), rows)
        self.assertIn(
            "m1 aws-b 1400 ch1:1500 egress 1500 1460 1440 auto:1360 auto:1340".split(), rows)
        self.assertIn(
            "m1 aws-b 1400 ch1:1500 ingress 1400 1360 1340 auto:1360 auto:1340".split(), rows)
        for wrong in ("535", "9061", "yes"):
            self.fails(1, f"mss_clamp: {wrong} is not allowed, expected 'off', 'auto' or 536..9060",
                       *f"attachment add m2 --port aws-b --mss-clamp {wrong}".split(),
                       *"--address 10.9.0.1/24".split())
        self.ok(*"attachment del m1".split())

    def test_capacity(self):
        self.ok(*"attachment add p1 --port aws-b --vlan 9 --egress-limit 300G --ingress-limit 1G".split(),
                *"--address 10.8.0.1/24".split())
        self.assertIn("to-gcp open egress 400G 400G 300G 100G 0 1 0".split(), self.tables("capacity"))
        self.fails(1, "100000000000 bit/s that interconnect to-gcp has left",
                   *"attachment add p2 --port aws-b --address 10.9.0.1/24 --egress-limit 101G".split())
        self.ok(*"channel set ch2 drain".split())
        rows = self.tables("capacity")
        self.ok(*"channel set ch2 up".split())
        self.ok(*"attachment del p1".split())
        self.assertIn("to-gcp open egress 400G 300G 300G 0 -100G 1 0".split(), rows)
        self.assertIn("to-gcp ch1 100G 33.3 % up".split(), rows)
        self.assertIn("to-gcp ch2 100G 0.0 % drain".split(), rows)

    def test_edge_must_be_chosen(self):
        self.fails(2, "aws, gcp: choose one with --edge", "show", "ports", edge=None)
        self.ok("show", "ports", "--edge", "gcp", edge=None)
        self.fails(1, "edge 'azure' does not exist", "--edge", "azure", "show", "ports")

    def test_attachment(self):
        self.ok(*"attachment add c1 --port aws-a --vlan 7 --address 10.1.0.1/24".split(),
                *"--address fd00:1::1/64 --egress-limit 300M".split())
        self.ok(*"feature set c1 ch1 --vlan 1025 --mtu 1400 --address 169.254.1.1/30".split(),
                *"--address fd00:f::1/64 --peer fd00:f::2 --peer 169.254.1.2".split())
        self.fails(1, "vlan: 5 is not allowed, expected 1025..4094",
                   *"feature set c1 ch1 --vlan 5 --address 10.0.0.1/30 --peer 10.0.0.2".split())
        rows = self.tables("attachment", "show", "c1")
        self.assertEqual(
            rows[0],
            "c1 to-gcp aws-a 7 1500 10.1.0.1/24,fd00:1::1/64 300M none 0".split(),
        )
        self.assertEqual(
            rows[2],
            "ch1 1025 1400 169.254.1.1/30,fd00:f::1/64 169.254.1.2 fd00:f::2".split(),
        )
        self.ok(*"limit set c1 --egress none --ingress 1.5G --burst-us 5000".split())
        self.assertEqual(
            self.tables("limit", "show", "c1"), [["egress", "none", "-", "none", "-"], ["ingress", "1500M", "5000", "none", "-"]]
        )
        self.ok(*"limit set c1 --egress 300M --peak 1G --excess-dscp 8".split())
        self.assertIn(["egress", "300M", "5000", "1G", "8"], self.tables("limit", "show", "c1"))
        self.fails(1, "egress.excess_dscp: 64 is not allowed",
                   *"limit set c1 --egress 300M --peak 1G --excess-dscp 64".split())
        self.fails(2, "egress: fast is not allowed", *"limit set c1 --egress fast".split())
        self.fails(2, "nothing to set", "limit", "set", "c1")
        self.fails(1, "ingress.rate_bps: 1 is not allowed", *"limit set c1 --ingress 1".split())
        self.ok("feature", "del", "c1", "ch1")
        self.ok("attachment", "put", "c1", "-", stdin='{"port":"aws-b","addresses":["10.1.0.1/24"]}')
        self.assertEqual(self.tables("attachment", "show")[0][2], "aws-b")
        self.ok("attachment", "del", "c1")
        self.fails(1, "attachment 'c1' does not exist", "attachment", "del", "c1")

    def test_routes(self):
        self.ok(*"attachment add r1 --port aws-b --vlan 8 --address 10.1.0.1/24".split())
        self.ok(*"route add r1 10.2.0.0/16 --via channels".split())
        self.fails(1, "has a route already", *"route add r1 10.2.0.0/16 --via blackhole".split())
        self.ok(*"route set r1 10.2.0.0/16 --via 10.1.0.9".split())
        lines = "# two\n10.3.0.0/16 blackhole # why\n\n  fd00::/16\tchannels\r\n"
        self.assertEqual(
            self.ok("route", "load", "r1", "-", stdin=lines), "2 routes loaded, 0 removed, 3 in all\n"
        )
        expected = [
            ["10.2.0.0/16", "vpc", "10.1.0.9"],
            ["10.3.0.0/16", "blackhole", "-"],
            ["fd00::/16", "channels", "-"],
        ]
        self.assertEqual(self.tables("route", "show", "r1"), expected)
        self.fails(2, "-:2: expected PREFIX and", "route", "load", "r1", "-", stdin="::/0 channels\nx")
        self.fails(1, "line 3.prefix", "route", "load", "r1", "-",
                   stdin="::/0 channels\n# no\n10.0.0.1/8 channels\n")
        self.assertEqual(self.tables("route", "show", "r1"), expected)
        self.assertEqual(self.tables(*"route show r1 --covers 10.3.1.1".split()), expected[1:2])
        self.assertEqual(self.tables(*"route show r1 --via channels --limit 1".split()), expected[2:])
        self.assertEqual(self.tables(*"attachment show --name-prefix r --port aws-a".split()), [])
        self.fails(1, "within: x is not allowed", *"route show r1 --within x".split())
        self.fails(1, "line 2.prefix: fd00::/16", "route", "load", "r1", "-",
                   stdin="fd00::/16 remove\nfd00::/16 channels\n")
        self.ok(*"route del r1 fd00::/16".split())
        self.ok(*"neighbour add r1 10.1.0.9 02:00:00:00:00:09".split())
        neighbours = self.tables("neighbour", "show")
        self.assertIn("r1 - 10.1.0.9 permanent 02:00:00:00:00:09 -".split(), neighbours)
        self.ok(*"neighbour del r1 10.1.0.9".split())
        self.ok("attachment", "del", "r1")

    def test_keys(self):
        blanks = " ".join(SAK[i : i + 2] for i in range(0, 64, 2)) + "\n"
        self.ok(*"sa add-tx ch1 --an 0 --key-file -".split(), stdin=blanks)
        other = SAK[::-1]
        self.ok(*"sa add-tx ch1 --an 1 --next-pn 9 --key-file -".split(), stdin=other)
        self.fails(1, "", *"sa add-tx ch1 --an 1 --key-file -".split(), stdin=SAK)
        self.fails(2, "hexadecimal", *"sa add-tx ch1 --an 2 --key-file -".split(), stdin=SAK + "x")
        self.fails(2, "cannot read", *"sa add-tx ch1 --an 2 --key-file /none".split())
        self.ok(*"sa encode ch1 --an 1".split())
        self.ok(*"sa del-tx ch1 --an 0".split())
        receive = "sa add-rx ch1 --sci 02000000000100AA --key-file -".split()
        self.fails(1, "sak: a length of 2", *receive, "--an", "0", stdin="00")
        rows = self.tables("sa", "show", "ch1")
        self.assertEqual(len(rows), 1)  # the SC made for the refused SA went with it
        self.assertEqual([rows[0][0]] + rows[0][2:6], ["transmit", "1", "encoding", "9", "-"])
        self.ok(*receive, "--an", "0", stdin=SAK)
        self.ok(*receive, "--an", "1", "--lowest-pn", "5", stdin=other)
        rows = self.tables("sa", "show", "ch1")
        self.assertEqual([row[2] for row in rows], ["1", "0", "1"])
        self.ok(*"sa del-rx ch1 --sci 02000000000100aa --an 0".split())
        self.ok(*"sa del-rx ch1 --sci 02000000000100aa".split())
        self.ok(*"sa del-tx ch1 --an 1".split())
        self.assertEqual(self.ok("sa", "show", "ch1"), "no SAs\n")

    def test_xpn_keys(self):
        salt = "00112233445566778899aabb"
        self.fails(1, "salt: the field is missing, GCM-AES-XPN-256 needs it",
                   *"sa add-tx ch3 --an 0 --key-file -".split(), stdin=XPN_SAK)
        self.ok(*f"sa add-tx ch3 --an 0 --salt {salt} --ssci 1 --key-file -".split(), stdin=XPN_SAK)
        receive = "ch3 --sci 02000000000100aa --an 3".split()
        self.fails(1, "both would use the same nonces", "sa", "add-rx", *receive,
                   *f"--salt {salt} --ssci 1 --key-file -".split(), stdin=XPN_SAK)
        self.ok("sa", "add-rx", *receive,
                *f"--salt {salt} --ssci 2 --disabled --key-file -".split(), stdin=XPN_SAK)
        states = lambda: [row[3] for row in self.tables("sa", "show", "ch3")]
        self.assertEqual(states(), ["encoding", "disabled"])
        self.ok("sa", "enable-rx", *receive)
        self.assertIn("ch3", self.ok("show", "macsec", "ch3"))
        self.ok("sa", "disable-rx", *receive)
        self.assertEqual(states(), ["encoding", "disabled"])
        self.ok(*"sa del-rx ch3 --sci 02000000000100aa".split())
        self.ok(*"sa del-tx ch3 --an 0".split())

    def test_show_macsec(self):
        self.ok(*"sa add-tx ch2 --an 1 --key-file -".split(), stdin=SAK)
        self.ok(*"sa add-rx ch2 --sci 02000000000200bb --an 2 --key-file -".split(), stdin=SAK)
        text = self.ok("show", "macsec", "ch2")
        lines = [line.split() for line in text.splitlines()]
        self.assertTrue(text.startswith(
            "aws/ch2 on port aws-ch2: GCM-AES-256 0080c20001000002, "), text)
        for line in ("transmit SA 1, encoding", "receive SC 02000000000200bb",
                     "receive SA 2, in use", "validate_frames strict  replay_protect yes"):
            self.assertIn(line, text)
        counters = [line[0] for line in lines if len(line) == 2 and line[1].isdigit()]
        secy, tx_sc = MIB_SECY.split(), MIB_TX_SC.split()
        expected = secy + tx_sc + tx_sc[:2] + MIB_RX_SC.split() + MIB_RX_SA.split()
        self.assertEqual(counters, expected)
        self.assertEqual(len(self.ok("show", "macsec").split("on port")), 5)  # all four
        self.ok(*"sa del-rx ch2 --sci 02000000000200bb".split())
        self.ok(*"sa del-tx ch2 --an 1".split())

    def test_states_and_traffic(self):
        self.ok("channel", "set", "ch2", "drain")
        self.assertIn("admin_state          drain", self.ok("channel", "show", "ch2"))
        self.ok("channel", "set", "ch2", "up")
        self.assertEqual(len(self.tables("channel", "show")), 4)
        self.fails(2, "", "channel", "set", "ch2", "off")
        self.ok("port", "set", "aws-b", "down")
        self.ok("port", "set", "aws-b", "up")
        self.assertIn("admin_state          up", self.ok("port", "show", "aws-b"))
        self.assertIn('"openapi":"3.1.0"', self.ok("show", "api"))
        spec = {"tag": 1, "addresses": ["10.1.0.2"], "streams": []}
        self.ok("traffic", "set", "aws-b", "-", stdin=json.dumps(spec))
        self.assertIn("no streams", self.ok("traffic", "show", "aws-b"))
        self.fails(1, "not a generator", "traffic", "show", "aws-ch1")

    def test_usage_and_connection(self):
        self.fails(2, "cannot reach isthmusd at /none", "--socket", "/none", "show", "status")
        for arguments in ((), ("show",), ("bogus",), ("route", "add", "x"), ("show", "status", "x")):
            self.fails(2, "", *arguments)
        self.assertIn("attachment", self.ok("--help"))


if __name__ == "__main__":
    DAEMON_PROGRAM = os.path.abspath(sys.argv.pop(1))
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()
