"""One isthmusd of the demo's own: its configuration, its start and its end."""

import ctypes
import os
import re
import signal
import socket
import subprocess
import tempfile
import time

_PR_SET_PDEATHSIG = 1


def _end_with_parent():
    # So that the daemon ends even if this process is killed.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _cores(workers):
    """(main, workers): cores that this process may use. The first one is a worker's as well only
    if there are not enough others."""
    cores = sorted(os.sched_getaffinity(0))
    if workers > len(cores):
        raise DaemonError(f"{workers} workers need as many cores, this machine has {len(cores)}")
    return cores[0], sorted((cores[1:] + cores[:1])[:workers])


class DaemonError(Exception):
    pass


class Daemon:
    """Runs isthmusd from examples/demo.toml with a socket and a state file of its own; a context manager."""

    def __init__(self, program, template, workers=1):
        self._program = program
        self._workers = workers
        self._template = template
        self._process = None
        self._folder = None
        self.socket_path = None
        self.log_path = None

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="isthmus-demo-")
        folder = self._folder.name
        self.socket_path = os.path.join(folder, "isthmusd.sock")
        self.log_path = os.path.join(folder, "log")
        config = os.path.join(folder, "demo.toml")
        with open(self._template, encoding="utf-8") as file:
            text = file.read()
        main, workers = _cores(self._workers)
        for name, value in (
            ("socket", f'"{self.socket_path}"'),
            ("state", f'"{folder}/state.db"'),
            ("main_core", main),
            ("worker_cores", workers),
        ):
            text, count = re.subn(rf"(?m)^{name} *=.*$", f"{name} = {value}", text)
            if count != 1:
                raise DaemonError(f"{self._template}: no line '{name} = ...'")
        with open(config, "w", encoding="utf-8") as file:
            file.write(text)
        try:
            with open(self.log_path, "wb") as log:
                self._process = subprocess.Popen(
                    [self._program, "--config", config],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    preexec_fn=_end_with_parent,
                )
            self._await_socket()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _await_socket(self, timeout=20.0):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise DaemonError(f"isthmusd ended at start\n{self.log()}")
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                    probe.connect(self.socket_path)
                return
            except OSError:
                time.sleep(0.05)
        raise DaemonError(f"isthmusd has no socket after {timeout:.0f} s\n{self.log()}")

    @property
    def pid(self):
        return self._process.pid

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self, timeout=10.0):
        """SIGTERM; the exit code, or None if it had to be killed."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def __exit__(self, *_):
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._folder.cleanup()
