"""The laboratory of scripts/lab from outside: commands in its namespaces, what its edges and kernels
say, captures."""

import json
import os
import re
import signal
import struct
import subprocess
import tempfile
import time

import tap
from tap import expect, expect_equal, run

LAB = os.path.join(tap.ROOT, "scripts", "lab")
DIR = "/run/isthmus-lab"
CHANNELS = ("ch1", "ch2", "ch3", "ch4")
MACSEC = 0x88E5
SCRATCH = tempfile.TemporaryDirectory(prefix="isthmus-e2e-")


def ns(name, *command, **options):
    return run("ip", "netns", "exec", name, *command, **options)


def start(name, *command):
    """A command in the background, in a namespace."""
    return subprocess.Popen(
        ["ip", "netns", "exec", name, *[str(word) for word in command]],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )


def finish(process, number=signal.SIGINT, timeout=10):
    if process.poll() is None:
        process.send_signal(number)
    try:
        return process.communicate(timeout=timeout)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]


def ctl(edge, *command, **options):
    program = os.path.join(tap.BUILD, "src", "control", "isthmusctl")
    return run(program, "--socket", f"{DIR}/{edge}.sock", *command, **options)


def api(edge, path):
    text = run("curl", "--silent", "--show-error", "--fail", "--max-time", 5, "--unix-socket",
               f"{DIR}/{edge}.sock", f"http://isthmus{path}")
    return json.loads(text)


def ping(name, address, *options, count=5):
    """Every packet must come back."""
    text = ns(name, "ping", "-n", "-c", count, "-i", "0.1", "-W", 2, *options, address, check=False)
    expect(f"{count} received, 0% packet loss" in text, text)
    return text


def ping_once(name, address, *options):
    """One packet; what ping says."""
    return ns(name, "ping", "-n", "-c", 1, "-W", 2, *options, address, check=False)


def pid_of(edge):
    with open(f"{DIR}/{edge}.pid", encoding="ascii") as file:
        return int(file.read())


def runs(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return not file.read().rsplit(") ", 1)[1].startswith("Z")
    except OSError:
        return False


def echo_requests(name):
    """ICMP and ICMPv6 echo requests that a host has received."""
    lines = [line.split() for line in ns(name, "cat", "/proc/net/snmp").splitlines()]
    names, values = [line for line in lines if line[0] == "Icmp:"]
    count4 = int(values[names.index("InEchos")])
    match = re.search(r"Icmp6InEchos\s+(\d+)", ns(name, "cat", "/proc/net/snmp6"))
    return count4, int(match.group(1))


def attachment_packets(edge, name):
    for entry in api(edge, "/v1/counters")["attachments"]:
        if entry["name"] == name:
            return entry["egress"]["rx_packets"] + entry["ingress"]["rx_packets"]
    raise AssertionError(f"no attachment {name}")


def iperf(address, *options, client="vpc-a", server="vpc-b"):
    """Result of an iperf3 test."""
    serving = start(server, "iperf3", "--server", "--one-off", "--bind", address)
    try:
        for _ in range(50):
            if ":5201 " in ns(server, "ss", "-Hltn"):
                break
            time.sleep(0.1)
        text = ns(client, "iperf3", "--client", address, "--json", "--time", 3, *options,
                  check=False)
    finally:
        finish(serving, signal.SIGTERM)
    result = json.loads(text)
    expect("error" not in result, result.get("error"))
    return result["end"]


def ether_types(path):
    """EtherType of each frame of a capture, as tcpdump writes it."""
    with open(path, "rb") as file:
        data = file.read()
    expect_equal(data[:4], b"\xd4\xc3\xb2\xa1", "magic number of the capture")
    found, at = [], 24
    while at < len(data):
        captured = struct.unpack_from("<I", data, at + 8)[0]
        found.append(struct.unpack_from(">H", data, at + 16 + 12)[0])
        at += 16 + captured
    return found


def capture(channel, *options):
    path = os.path.join(SCRATCH.name, f"{channel}-{time.monotonic_ns()}.pcap")
    process = start("wire", "tcpdump", "-i", f"{channel}-aws", "-w", path, "-s", 64, "-U",
                    "-Z", "root", *options)
    # It says so when it listens; what is sent before is not its business.
    while "listening on" not in process.stdout.readline():
        expect(process.poll() is None, "tcpdump does not start")
    return process, path


def wait_for(condition, what, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition():
        expect(time.monotonic() < deadline, f"{what}: not within {seconds} s")
        time.sleep(0.2)


def port_counters(edge):
    ports = api(edge, f"/v1/edges/{edge}/ports")["ports"]
    return {port["name"]: port for port in ports}


def kernel_counters(edge):
    links = json.loads(run("ip", "-n", f"edge-{edge}", "-s", "-j", "link", "show"))
    return {link["ifname"]: link["stats64"] for link in links}


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def set_feature_mtu(mtu):
    for n, channel in enumerate(CHANNELS, start=1):
        ctl("aws", "feature", "set", "customer-1", channel, "--vlan", 1025, "--mtu", mtu,
            "--address", f"169.254.1{n}.1/30", "--peer", f"169.254.1{n}.2",
            "--address", f"fd00:ffff:1:{n}::1/64", "--peer", f"fd00:ffff:1:{n}::2")
