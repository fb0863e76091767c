"""The control API against a running daemon: every row, what it refuses, and that a refused change
changes nothing.

    test_api.py ISTHMUSD [unittest's own arguments]
"""

import os
import sys
import unittest

from api_attachment_cases import Attachments, Neighbours, Routes
from api_case import ApiTest
from api_channel_cases import ChannelsAndPorts, Keys
from api_daemon import Daemon, UnixConnection
from api_list_cases import Lines, Pages, Tags
from api_read_cases import Dispatch, Reading

__all__ = ["Attachments", "ChannelsAndPorts", "Dispatch", "Keys", "Lines", "Neighbours", "Pages", "Reading", "Routes",
           "Tags"]

PROGRAM = None


class Stop(unittest.TestCase):
    def test_stops_with_an_open_connection(self):
        with Daemon(PROGRAM) as daemon:
            other = UnixConnection(daemon.socket_path)
            other.request("GET", "/v1/edges")
            other.getresponse().read()
            self.assertEqual(daemon.stop(), 0, daemon.log())
            self.assertFalse(os.path.exists(daemon.socket_path))
            other.close()


def main():
    global PROGRAM
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    with Daemon(PROGRAM) as daemon:
        ApiTest.daemon = daemon
        good = unittest.main(exit=False).result.wasSuccessful()
        code = daemon.stop()
        if code != 0:
            print(f"FAILED: isthmusd ended with {code} after SIGTERM:\n{daemon.log()}")
    return 0 if good and code == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
