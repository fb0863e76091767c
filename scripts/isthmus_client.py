"""A small client of the control socket: JSON over HTTP/1.1 over a Unix socket.

    edge = Client("/run/isthmus/isthmusd.sock")
    print(edge.get("/v1/status")["version"])
"""

import http.client
import json
import select
import socket
from urllib.parse import quote


class ApiError(Exception):
    """The daemon refused a request; the message is its own."""

    def __init__(self, status, error, request):
        super().__init__(f"{request}: {status} {error.get('message', error)}")
        self.status = status
        self.error = error


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("isthmus", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Client:
    """Keeps one connection, or opens another one. Not for several threads."""

    def __init__(self, socket_path, timeout=10.0):
        self._connection = _UnixConnection(socket_path, timeout)

    def close(self):
        self._connection.close()

    def _forget_ended(self):
        """The daemon ends a connection that was idle for a minute, and says nothing unasked."""
        kept = self._connection.sock
        if kept is not None and select.select([kept], [], [], 0)[0]:
            self._connection.close()

    def get(self, path):
        return self.call("GET", path)

    def call(self, verb, path, body=None):
        """The decoded reply, or None if it is empty. A change is never sent twice."""
        data = None if body is None else json.dumps(body).encode()
        headers = {} if data is None else {"Content-Type": "application/json"}
        self._forget_ended()
        try:
            try:
                self._connection.request(verb, path, data, headers)
            except (BrokenPipeError, ConnectionResetError):
                pass  # of a body that is too large the answer is there before its end
            reply = self._connection.getresponse()
            text = reply.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise
        content = json.loads(text) if text else None
        if reply.status >= 300:
            error = content.get("error", {}) if isinstance(content, dict) else {}
            raise ApiError(reply.status, error, f"{verb} {path}")
        return content


def segment(text):
    """One segment of a path: a prefix such as 10.0.0.0/8 is percent-encoded."""
    return quote(text, safe="")
