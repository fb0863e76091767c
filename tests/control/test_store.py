"""The state file with what the API has installed: keys, files and configurations that do not fit, and
--check and --forget.

    test_store.py ISTHMUSD [unittest's own arguments]
"""

import contextlib
import os
import shutil
import sqlite3
import stat
import sys
import tempfile

from edge_case import run_tests
from store_case import EDGE, PEER, RX_SAK, SAK, XPN_SAK, StoreTest, attachment

PROGRAM = None
VERSION_1 = """
CREATE TABLE packet_numbers (fingerprint TEXT NOT NULL, lane TEXT NOT NULL,
 salt_tail TEXT NOT NULL, first_unused TEXT NOT NULL,
 PRIMARY KEY (fingerprint, lane)) STRICT, WITHOUT ROWID;
PRAGMA user_version = 1; PRAGMA application_id = 0x49535448;
"""


class Keys(StoreTest):
    def test_sas_come_back(self):
        daemon = self.start()
        self.install_keys(daemon)
        before = self.sas(daemon)
        self.assertEqual(len(before), 3)
        for end in (lambda: self.kill(daemon), lambda: self.assertEqual(daemon.stop(), 0)):
            end()
            daemon.start()
            self.assertEqual(self.sas(daemon), before)
            self.assertTrue(self.status(daemon)["state_keeps_sas"])
        log = daemon.log()
        self.assertIn("3 SAs", log)
        for sak in (SAK, XPN_SAK, RX_SAK):
            self.assertNotIn(sak, log)

    def test_no_sak_is_in_a_file_and_files_are_private(self):
        daemon = self.start()
        self.install_keys(daemon)
        folder = os.path.dirname(daemon.state_path)
        names = os.listdir(folder)
        self.assertIn("state.db-wal", names)
        for name in names:
            path = os.path.join(folder, name)
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600, name)
            with open(path, "rb") as file:
                content = file.read()
            for sak in (SAK, XPN_SAK, RX_SAK):
                self.assertNotIn(bytes.fromhex(sak), content)
                self.assertNotIn(sak.encode(), content)

    def test_without_a_key_sas_are_not_kept(self):
        daemon = self.start(secrets=False)
        self.assertFalse(self.status(daemon)["state_keeps_sas"])
        self.install_keys(daemon)
        self.kill(daemon)
        daemon.start()
        self.assertEqual(self.sas(daemon), [])
        channel = self.ok(daemon, "GET", "/channels/ch1")
        self.assertEqual(channel["reason"], "no transmit SA")
        self.assertEqual([sc["sci"] for sc in channel["rx_scs"]], [PEER])
        self.assertIn("SAs are not kept", daemon.log())

    def test_another_key_or_none_is_refused(self):
        daemon = self.start()
        self.install_keys(daemon)
        self.assertEqual(daemon.stop(), 0)
        with open(daemon.key_path, "rb") as file:
            key = file.read()
        with open(daemon.key_path, "wb") as file:
            file.write(os.urandom(32))
        for arguments in ((), ("--check",)):
            self.refused(daemon, daemon.state_path, "3 SAs", "the key is not the one",
                         "--forget sas", arguments=arguments)
        with open(daemon.config, encoding="utf-8") as file:
            with_key = file.read()
        self.rewrite_config(daemon, f'secrets_key_file = "{daemon.key_path}"\n', "")
        self.refused(daemon, "there is no key", "--forget sas")
        with open(daemon.config, "w", encoding="utf-8") as file:
            file.write(with_key)
        # The same key as text is the right one.
        with open(daemon.key_path, "w", encoding="ascii") as file:
            file.write(key.hex() + "\n")
        daemon.start()
        self.assertEqual(len(self.sas(daemon)), 3)

    def test_sas_can_be_forgotten_but_not_what_they_used(self):
        daemon = self.start()
        self.install_keys(daemon)
        self.kill(daemon)
        with open(daemon.key_path, "wb") as file:
            file.write(os.urandom(32))
        self.forget(daemon, "sas", "3 SAs removed")
        daemon.start()
        self.assertEqual(self.sas(daemon), [])
        refused = daemon.call("POST", f"{EDGE}/channels/ch1/tx-sas",
                              {"an": 0, "sak": SAK, "next_pn": 1})
        self.assertEqual(refused.status, 409, refused.text)

    def test_a_key_file_that_is_not_good(self):
        daemon = self.start()
        self.assertEqual(daemon.stop(), 0)
        os.chmod(daemon.key_path, 0o640)
        self.refused(daemon, daemon.key_path, "0640")
        os.chmod(daemon.key_path, 0o600)
        if os.geteuid() == 0:
            os.chown(daemon.key_path, 12345, 0)
            self.refused(daemon, daemon.key_path, "user 12345")
            os.chown(daemon.key_path, 0, 0)
        for content in (b"", b"short", b"x" * 64, b"ab" * 32 + b"\n\n", b"y" * 33):
            with open(daemon.key_path, "wb") as file:
                file.write(content)
            self.refused(daemon, daemon.key_path, "32 octets", arguments=("--check",))
        os.unlink(daemon.key_path)
        self.refused(daemon, daemon.key_path, "No such file")

    def test_a_credential_of_systemd(self):
        daemon = self.start(secrets=False)
        self.assertEqual(daemon.stop(), 0)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "isthmus-store-key")
            with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o400), "wb") as file:
                file.write(os.urandom(32))
            os.environ["CREDENTIALS_DIRECTORY"] = folder
            self.addCleanup(os.environ.pop, "CREDENTIALS_DIRECTORY")
            daemon.start()
            self.assertTrue(self.status(daemon)["state_keeps_sas"])

    def test_a_sealed_sak_serves_nobody_else(self):
        daemon = self.start()
        self.install_keys(daemon)
        self.assertEqual(daemon.stop(), 0)
        self.sql(daemon, "UPDATE tx_sas SET an = 3 WHERE channel = 'ch1'")
        self.refused(daemon, "tx_sas: aws/ch1 AN 3", "its SAK cannot be opened")
        self.forget(daemon, "unusable", "removed tx_sas: aws/ch1 AN 3")
        daemon.start()
        self.assertEqual(len(self.sas(daemon)), 2)

    def test_transmit_goes_on_behind_what_was_reserved(self):
        daemon = self.start()
        self.install_keys(daemon)
        self.kill(daemon)
        daemon.start()
        (sa,) = self.ok(daemon, "GET", "/channels/ch3")["tx_sas"]
        self.assertEqual(sa["next_pn"], 2**24 + 1)
        self.kill(daemon)
        self.sql(daemon, "UPDATE packet_numbers SET first_unused = '0000000100000000'"
                 " WHERE lane LIKE 'sci:%'")
        daemon.start()
        channel = self.ok(daemon, "GET", "/channels/ch1")
        self.assertEqual(channel["reason"], "transmit SA is exhausted")
        self.assertEqual(daemon.stop(), 0)


class Files(StoreTest):
    def test_check_sees_a_running_daemons_file(self):
        daemon = self.start()
        self.ok(daemon, "POST", "/attachments", attachment("c1"))
        self.install_keys(daemon)
        code, output = self.run_program(daemon, "--check")
        self.assertEqual(code, 0, output)
        self.assertIn("1 attachments, 3 routes, 3 SAs", output)
        self.assertEqual(self.status(daemon)["state_ok"], True)

    def test_check_leaves_no_trace(self):
        daemon = self.start()
        self.assertEqual(daemon.stop(), 0)
        shutil.rmtree(os.path.dirname(daemon.state_path))
        code, output = self.run_program(daemon, "--check")
        self.assertEqual(code, 0, output)
        self.assertIn("not there yet", output)
        self.assertFalse(os.path.exists(os.path.dirname(daemon.state_path)))

    def test_version_1_is_brought_up(self):
        daemon = self.start()
        self.assertEqual(daemon.stop(), 0)
        os.unlink(daemon.state_path)
        self.sql(daemon, VERSION_1 + "INSERT INTO packet_numbers VALUES"
                 " ('0123456789abcdef', 'sci:0200000000010001', '', '00000000000003e8');")
        code, output = self.run_program(daemon, "--check")
        self.assertEqual(code, 0, output)
        with contextlib.closing(sqlite3.connect(daemon.state_path)) as database:
            self.assertEqual(database.execute("PRAGMA user_version").fetchone(), (1,))
        daemon.start()
        self.ok(daemon, "POST", "/attachments", attachment("c1"))
        self.assertEqual(daemon.stop(), 0)
        with contextlib.closing(sqlite3.connect(daemon.state_path)) as database:
            self.assertEqual(database.execute("PRAGMA user_version").fetchone(), (3,))
            self.assertEqual(database.execute("SELECT * FROM packet_numbers").fetchall(),
                             [("0123456789abcdef", "sci:0200000000010001", "",
                               "00000000000003e8")])
            self.assertEqual(database.execute("SELECT name FROM attachments").fetchall(),
                             [("c1",)])

    def test_damage_is_found(self):
        daemon = self.start()
        self.ok(daemon, "POST", "/attachments", attachment("c1"))
        self.assertEqual(daemon.stop(), 0)
        size = os.path.getsize(daemon.state_path)
        with open(daemon.state_path, "r+b") as file:
            for page in range(1, size // 4096):
                file.seek(page * 4096)
                file.write(b"\x7f" * 16)
        for arguments in ((), ("--check",)):
            self.refused(daemon, daemon.state_path, "damaged", arguments=arguments)

    def test_rows_that_are_wrong_are_named(self):
        daemon = self.start()
        self.ok(daemon, "POST", "/attachments", attachment("c1"))
        self.ok(daemon, "POST", "/attachments", attachment("c2", 1))
        self.assertEqual(daemon.stop(), 0)
        self.sql(daemon, "UPDATE attachments SET vlan = 1 WHERE name = 'c2';"
                 "UPDATE features SET peer_ipv4 = '10.0.0.1' WHERE place = 0;"
                 "INSERT INTO routes VALUES (7, x'0a00000008', 0, NULL);"
                 "INSERT INTO ports VALUES ('nowhere', 1);")
        expected = ("attachments: aws/c1: features.ch1.peer_ipv4", "10.0.0.1",
                    "routes: of place 7", "ports: nowhere")
        for arguments in ((), ("--check",)):
            self.refused(daemon, daemon.state_path, "--forget unusable", *expected,
                         arguments=arguments)
        self.forget(daemon, "unusable", *expected)
        daemon.start()
        (left,) = self.ok(daemon, "GET", "/attachments")["attachments"]
        self.assertEqual(left["name"], "c2")

    def test_another_configuration(self):
        daemon = self.start()
        self.ok(daemon, "POST", "/attachments", attachment("c1"))
        self.ok(daemon, "PATCH", "/channels/ch4", {"admin_state": "drain"})
        self.install_keys(daemon)
        self.assertEqual(daemon.stop(), 0)
        with open(daemon.config, encoding="utf-8") as file:
            good = file.read()
        self.rewrite_config(daemon, 'name = "aws-a"', 'name = "aws-z"')
        self.refused(daemon, "attachments: aws/c1: edge aws has no port aws-a")
        with open(daemon.config, "w", encoding="utf-8") as file:
            file.write(good.replace('name = "ch1"', 'name = "ch9"'))
        self.refused(daemon, "features: aws/c1 ch1: the edge has no channel ch1",
                     "rx_scs: aws/ch1", "tx_sas: aws/ch1 AN 1")
        with open(daemon.config, "w", encoding="utf-8") as file:
            file.write(good.replace('"GCM-AES-XPN-256"', '"GCM-AES-XPN-128"'))
        self.refused(daemon, "tx_sas: aws/ch3 AN 0", "GCM-AES-XPN-256", "GCM-AES-XPN-128")
        with open(daemon.config, "w", encoding="utf-8") as file:
            file.write(good)
        daemon.start()
        self.assertEqual(self.ok(daemon, "GET", "/channels/ch4")["admin_state"], "drain")
        self.assertEqual(len(self.sas(daemon)), 3)


if __name__ == "__main__":
    run_tests(sys.modules[__name__])
