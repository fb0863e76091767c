"""An isthmusd of a test's own: two edges joined by four wires, and a client of its socket."""

import ctypes
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time

CHANNELS = ("ch1", "ch2", "ch3", "ch4")
SUITES = {"ch3": "GCM-AES-XPN-256", "ch4": "GCM-AES-128"}


def end_with_parent():
    """In the child: the daemon ends even if the test is killed."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def configuration(socket_path, state="none"):
    cores = sorted(os.sched_getaffinity(0))
    lines = [
        f'socket = "{socket_path}"',
        f'state = "{state}"',
        f"worker_cores = [{cores[-1]}]",
        'poll = "adaptive"',
        "memory_mb = 256",
        "packet_buffers = 16384",
        "max_attachments = 64",
    ]
    for edge, peer in (("aws", "gcp"), ("gcp", "aws")):
        lines += ["[[edge]]", f'name = "{edge}"']
        lines += ["[[interconnect]]", f'name = "to-{peer}"', f'edge = "{edge}"', f'peer = "{peer}"']
        for name in ("a", "b"):
            lines += ["[[port]]", f'name = "{edge}-{name}"', f'edge = "{edge}"']
            lines += ['device = "generator"']
        for channel in CHANNELS:
            suite = SUITES.get(channel, "GCM-AES-256")
            lines += ["[[port]]", f'name = "{edge}-{channel}"', f'edge = "{edge}"']
            lines += [f'device = "wire:{channel}"']
            lines += ["[[channel]]", f'name = "{channel}"', f'edge = "{edge}"']
            lines += [f'port = "{edge}-{channel}"', f'cipher_suite = "{suite}"']
    return "\n".join(lines) + "\n"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=20):
        super().__init__("isthmus", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Reply:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode()
        is_json = self.headers["Content-Type"] == "application/json"
        self.json = json.loads(self.text) if self.text and is_json else None

    @property
    def error(self):
        return self.json["error"]


class Daemon:
    """A context manager; leaves neither a process nor a file behind."""

    def __init__(self, program, state="none", edit=lambda text: text, secrets=False):
        """`state`: "none", or the name of a file in a folder of its own; `edit` changes the
        configuration; `secrets`: with a key, so that SAs are kept."""
        self.secrets = secrets
        self.state_folder = None  # of a test's own
        self.edit = edit
        self.program = program
        self.state = state
        self.process = None
        self.connection = None

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="isthmus-api-")
        self.socket_path = os.path.join(self.folder.name, "isthmusd.sock")
        self.log_path = os.path.join(self.folder.name, "log")
        self.config = os.path.join(self.folder.name, "isthmusd.toml")
        self.state_path = self.state
        if self.state != "none":
            folder = self.state_folder or os.path.join(self.folder.name, "state")
            self.state_path = os.path.join(folder, self.state)
        text = configuration(self.socket_path, self.state_path)
        if self.secrets:
            self.key_path = os.path.join(self.folder.name, "key")
            with open(os.open(self.key_path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                file.write(os.urandom(32))
            text = f'secrets_key_file = "{self.key_path}"\n{text}'
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(self.edit(text))
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        """Again, after the process has ended, too."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "--config", self.config],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=end_with_parent,
            )
        self.wait_for_socket()
        self.disconnect()
        self.connection = UnixConnection(self.socket_path)

    def rewrite(self, name, value):
        """Another value for a key of the top level; for the next start."""
        with open(self.config, encoding="utf-8") as file:
            text = re.sub(rf"(?m)^{name} = .*$", f"{name} = {value}", file.read(), count=1)
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(text)

    def wait_for_socket(self, seconds=30):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                    probe.connect(self.socket_path)
                return
            except OSError:
                time.sleep(0.01)
        raise RuntimeError(f"isthmusd does not listen:\n{self.log()}")

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def raw(self, verb, path, data=None, headers=None):
        self.connection.request(verb, path, data, headers or {})
        return Reply(self.connection.getresponse())

    def call(self, verb, path, body=None):
        if body is None:
            return self.raw(verb, "/v1" + path)
        headers = {"Content-Type": "application/json"}
        return self.raw(verb, "/v1" + path, json.dumps(body).encode(), headers)

    def disconnect(self):
        if self.connection:
            self.connection.close()

    def stop(self, seconds=15):
        """SIGTERM; the exit code."""
        self.disconnect()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def __exit__(self, *_):
        self.disconnect()
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.folder.cleanup()
