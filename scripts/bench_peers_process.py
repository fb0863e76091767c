"""What the contestants of scripts/bench-peers share: cores, memory, a process that ends in time."""

import os
import subprocess
import tempfile
import time

MEMORY_MB = 512


class ProgramError(Exception):
    pass


class Setup:
    """What all contestants have in common: paths, cores, memory."""

    def __init__(self, build, folder, avx512=True):
        self.isthmusd = os.path.join(build, "src", "control", "isthmusd")
        self.peers = os.path.join(build, "peers")
        self.folder = folder
        self.avx512 = avx512
        self.engine = "auto" if avx512 else "vaes256"
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            raise ProgramError("needs two cores: one for the worker, one for all else")
        self.main_core, self.worker_core = cores[:2]
        # isthmusd's own rule, so that all have the same kind of memory.
        self.huge = _free_hugepage_mb() >= MEMORY_MB

    def capture(self, size):
        return os.path.join(self.folder, f"feed-{size}.pcap")

    def rx_device(self, *captures):
        queues = ",".join(f"rx_pcap={capture}" for capture in captures)
        return f"net_pcap0,{queues},infinite_rx=1"


def _free_hugepage_mb():
    root, total_kb = "/sys/kernel/mm/hugepages", 0
    for name in os.listdir(root) if os.path.isdir(root) else ():
        with open(os.path.join(root, name, "free_hugepages"), encoding="ascii") as file:
            total_kb += int(file.read()) * int(name.removeprefix("hugepages-").removesuffix("kB"))
    return total_kb // 1024


class Program:
    """A process with a folder of its own; a context manager. Subclasses know its counters."""

    DEATH_SIGNAL = "TERM"  # when this process ends without a word

    def __init__(self, setup):
        self.setup = setup
        self._folder = tempfile.TemporaryDirectory(dir=setup.folder)
        self.folder = self._folder.name
        self._log_path = os.path.join(self.folder, "log")
        self._process = None

    def start(self, command, env=None, niceness=-20):
        # It ends with this process, may use both cores, and goes before what else wants them.
        cores = f"{self.setup.main_core},{self.setup.worker_core}"
        prefix = ["setpriv", "--pdeathsig", self.DEATH_SIGNAL, "taskset", "--cpu-list", cores]
        prefix += ["nice", f"--adjustment={niceness}"]
        with open(self._log_path, "wb") as log:
            self._process = subprocess.Popen(
                prefix + command,
                stdin=subprocess.PIPE,  # testpmd ends at the end of its input
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        # The scheduler shares cores among sessions, and only then by niceness within one.
        try:
            with open(f"/proc/{self._process.pid}/autogroup", "w", encoding="ascii") as file:
                file.write(str(niceness))
        except OSError:
            pass  # a kernel without autogroups

    def wait_for(self, what, ready, timeout=20.0):
        """The first value of ready() that is true; it may raise OSError until then."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise ProgramError(f"ended at start\n{self.log()}")
            try:
                if value := ready():
                    return value
            except OSError:
                pass
            time.sleep(0.02)
        raise ProgramError(f"{what}: not within {timeout:.0f} s\n{self.log()}")

    def log(self, lines=25):
        with open(self._log_path, encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-lines:])

    def thread_times(self):
        """Nanoseconds of CPU time of every thread."""
        tasks, times = f"/proc/{self._process.pid}/task", {}
        for thread in os.listdir(tasks):
            with open(f"{tasks}/{thread}/schedstat", encoding="ascii") as file:
                times[thread] = int(file.read().split()[0])
        return times

    def counters(self):
        """(packets received from the feed, packets sent)"""
        raise NotImplementedError

    def await_packets(self):
        self.wait_for("packets", lambda: self.counters()[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process.stdin.close()
        self._folder.cleanup()
