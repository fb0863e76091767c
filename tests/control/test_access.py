"""Who may use the socket: requests by other users and groups. Needs root for them.

    test_access.py ISTHMUSD [unittest's own arguments]
"""

import json
import os
import stat
import subprocess
import sys
import unittest

from api_daemon import Daemon
from edge_case import run_tests

PROGRAM = None
OTHER_UID, OTHER_GID, SOCKET_GID, WRITER_GID = 54321, 54322, 54323, 54324

# In a child of another user: status, body of one request.
ASK = """
import http.client, json, os, socket, sys
path, uid, gid, groups, verb, url, body = json.loads(sys.argv[1])
os.setgroups(groups)
os.setgid(gid)
os.setuid(uid)
connection = http.client.HTTPConnection("isthmus", timeout=20)
connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
connection.sock.connect(path)
connection.request(verb, url, body)
reply = connection.getresponse()
print(json.dumps([reply.status, reply.read().decode()]))
"""


def with_access(*lines):
    return lambda text: text.replace(
        "[[edge]]", "[access]\n" + "\n".join(lines) + "\n[[edge]]", 1
    )


@unittest.skipUnless(os.geteuid() == 0, "needs root: other users are tried")
class Access(unittest.TestCase):
    def ask(self, daemon, verb, url, uid=OTHER_UID, gid=OTHER_GID, groups=(), body=None):
        os.chmod(daemon.folder.name, 0o755)
        order = json.dumps([daemon.socket_path, uid, gid, list(groups), verb, url, body])
        run = subprocess.run(
            [sys.executable, "-c", ASK, order], capture_output=True, text=True, timeout=60
        )
        if run.returncode != 0:
            return run.stderr.strip().splitlines()[-1], None
        status, text = json.loads(run.stdout)
        return status, json.loads(text) if text else None

    def test_by_default_others_do_not_even_connect(self):
        with Daemon(PROGRAM) as daemon:
            file = os.stat(daemon.socket_path)
            self.assertEqual((file.st_uid, file.st_gid), (os.geteuid(), os.getegid()))
            self.assertEqual(stat.S_IMODE(file.st_mode), 0o660)
            status, _ = self.ask(daemon, "GET", "/v1/edges")
            self.assertIn("PermissionError", status)
            self.assertEqual(daemon.call("GET", "/edges").status, 200)

    def test_roles(self):
        edit = with_access(
            'socket_mode = "0666"', f"socket_group = {SOCKET_GID}", f"write_groups = [{WRITER_GID}]"
        )
        channel = "/v1/edges/aws/channels/ch1"
        drain = '{"admin_state":"drain"}'
        with Daemon(PROGRAM, edit=edit) as daemon:
            file = os.stat(daemon.socket_path)
            self.assertEqual((file.st_uid, file.st_gid), (os.geteuid(), SOCKET_GID))
            self.assertEqual(stat.S_IMODE(file.st_mode), 0o666)

            status, reply = self.ask(daemon, "GET", "/v1/edges")
            self.assertEqual(status, 403)
            self.assertEqual(reply["error"]["code"], "forbidden")
            self.assertEqual(reply["error"]["limit"], "read")
            self.assertIn(f"uid {OTHER_UID} has none", reply["error"]["message"])

            reader = {"groups": [SOCKET_GID]}
            self.assertEqual(self.ask(daemon, "GET", "/v1/edges", **reader)[0], 200)
            self.assertEqual(self.ask(daemon, "HEAD", "/v1/edges", **reader)[0], 200)
            for verb in ("PATCH", "PUT", "POST", "DELETE", "OPTIONS"):
                status, reply = self.ask(daemon, verb, channel, body=drain, **reader)
                self.assertEqual(status, 403, verb)
                self.assertEqual(reply["error"]["limit"], "write")
            self.assertEqual(daemon.call("GET", "/edges/aws/channels/ch1").json["admin_state"], "up")

            writer = {"gid": WRITER_GID}
            self.assertEqual(self.ask(daemon, "PATCH", channel, body=drain, **writer)[0], 200)
            self.assertEqual(
                daemon.call("GET", "/edges/aws/channels/ch1").json["admin_state"], "drain"
            )
            # Refused before it is read, however long.
            self.assertEqual(self.ask(daemon, "PUT", "/v1/x", body="x" * 100_000)[0], 403)

    def test_users_by_name_and_owner(self):
        edit = with_access(
            'socket_mode = "0600"', 'socket_owner = "nobody"', 'read_users = ["nobody"]'
        )
        with Daemon(PROGRAM, edit=edit) as daemon:
            nobody = os.stat(daemon.socket_path).st_uid
            self.assertNotEqual(nobody, 0)
            self.assertEqual(self.ask(daemon, "GET", "/v1/edges", uid=nobody)[0], 200)
            self.assertEqual(self.ask(daemon, "POST", "/v1/edges", uid=nobody)[0], 403)

    def test_bad_names_are_refused_by_check(self):
        with Daemon(PROGRAM) as daemon:
            with open(daemon.config, encoding="utf-8") as file:
                text = with_access('read_users = ["no-such-user"]')(file.read())
            with open(daemon.config, "w", encoding="utf-8") as file:
                file.write(text)
            for arguments in (["--check"], []):
                run = subprocess.run(
                    [PROGRAM, "--config", daemon.config, *arguments],
                    capture_output=True, text=True, timeout=60,
                )
                self.assertEqual(run.returncode, 1)
                self.assertIn("read_users", run.stderr)
                self.assertIn("no-such-user", run.stderr)


if __name__ == "__main__":
    run_tests(sys.modules[__name__])
