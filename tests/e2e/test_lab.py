"""scripts/lab as a user runs it: real hosts, two separate edges, kernel interfaces."""

import json
import os
import re
import signal
import time

import tap
from lab_tools import (
    CHANNELS, DIR, LAB, MACSEC, SCRATCH, api,
    attachment_packets, capture, cpu_seconds, echo_requests, ether_types, finish,
    iperf, kernel_counters, ns, pid_of, ping, ping_once,
    port_counters, runs, set_feature_mtu, start, wait_for,
)
from tap import expect, expect_equal, run

NAMESPACES = ("vpc-a", "vpc-b", "vpc-c", "vpc-d", "edge-aws", "edge-gcp", "wire")
FIGURES = {}

watch = {}


# --- set-up ---------------------------------------------------------------------------------------


def lab_up():
    run(LAB, "down", timeout=60)
    tap.diagnose(run(LAB, "up", timeout=90))
    # Over the whole test, anything on a channel that is not MACsec.
    for channel in CHANNELS:
        watch[channel] = capture(channel, "not", "ether", "proto", hex(MACSEC))


def lab_down():
    for process, _ in watch.values():
        finish(process)
    for edge in ("aws", "gcp"):
        try:
            with open(f"{DIR}/{edge}.log", encoding="utf-8", errors="replace") as file:
                tap.diagnose(f"end of the log of {edge}:\n" + "".join(file.readlines()[-10:]))
        except OSError:
            pass
    run(LAB, "down", timeout=60, check=False)
    SCRATCH.cleanup()
    if FIGURES:
        folder = os.path.join(tap.BUILD, "report")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "lab.json"), "w", encoding="utf-8") as file:
            json.dump(FIGURES, file, indent=2)


# --- cases ----------------------------------------------------------------------------------------


def ping_across_ipv4():
    ping("vpc-a", "10.2.0.10")
    ping("vpc-b", "10.1.0.10")


def ping_across_ipv6():
    ping("vpc-a", "fd00:2::10")
    ping("vpc-b", "fd00:1::10")


def ping_with_fragments():
    ping("vpc-a", "10.2.0.10", "-s", 20000)
    ping("vpc-a", "fd00:2::10", "-s", 20000)


def largest_packets_pass_unfragmented():
    for size in (1500, 9000):
        ping("vpc-a", "10.2.0.10", "-M", "do", "-s", size - 28)
        ping("vpc-a", "fd00:2::10", "-M", "do", "-s", size - 48)


def edge_answers_ping():
    ping("vpc-a", "10.1.0.1")
    ping("vpc-a", "fd00:1::1")
    ping("vpc-d", "10.2.0.1")
    ping("vpc-d", "fd00:2::1")


def ttl_exceeded_is_told():
    text = ping_once("vpc-a", "10.2.0.10", "-t", 1)
    expect("From 10.1.0.1" in text and "Time to live exceeded" in text, text)
    text = ping_once("vpc-a", "fd00:2::10", "-t", 1)
    expect(re.search(r"From fd00:1::1.*Time exceeded: Hop limit", text), text)
    # One hop further it is the far edge that tells.
    text = ping_once("vpc-a", "10.2.0.10", "-t", 2)
    expect("From 10.1.0.1" not in text and "Time to live exceeded" in text, text)


def unrouted_address_is_told():
    text = ping_once("vpc-a", "203.0.113.1")
    expect("From 10.1.0.1" in text and "Net Unreachable" in text, text)
    text = ping_once("vpc-a", "fd00:dead::1")
    expect("From fd00:1::1" in text and "Destination unreachable" in text, text)


def path_mtu_is_told():
    set_feature_mtu(1400)
    try:
        text = ping_once("vpc-a", "10.2.0.10", "-M", "do", "-s", 1430)
        expect(re.search(r"From 10\.1\.0\.1.*mtu = 1400", text), text)
        text = ping_once("vpc-a", "fd00:2::10", "-M", "do", "-s", 1430)
        expect(re.search(r"From fd00:1::1.*Packet too big: mtu=1400", text), text)
        ping("vpc-a", "10.2.0.10", "-M", "do", "-s", 1372)
    finally:
        set_feature_mtu(9000)
        for version in ("-4", "-6"):
            run("ip", version, "-n", "vpc-a", "route", "flush", "cache")


def iperf3_tcp_ipv4():
    tcp("tcp4_gbps", "10.2.0.10")


def iperf3_tcp_ipv6():
    tcp("tcp6_gbps", "fd00:2::10")


def tcp(figure, address):
    rate = iperf(address)["sum_received"]["bits_per_second"]
    FIGURES[figure] = round(rate / 1e9, 3)
    tap.diagnose(f"{rate / 1e6:.0f} Mbps")
    expect(rate > 50e6, f"{rate / 1e6:.1f} Mbps")


def iperf3_udp_ipv4():
    udp("udp4_lost_percent", "10.2.0.10")


def iperf3_udp_ipv6():
    udp("udp6_lost_percent", "fd00:2::10")


def udp(figure, address):
    total = iperf(address, "--udp", "--bitrate", "20M", "--length", 1200)["sum"]
    FIGURES[figure] = total["lost_percent"]
    tap.diagnose(f"{total['packets']} packets, {total['lost_percent']:.2f} % lost")
    expect(total["packets"] > 3000, f"{total['packets']} packets")
    expect(total["lost_percent"] < 2, f"{total['lost_percent']} % lost")


def customers_do_not_see_each_other():
    before = {name: echo_requests(name) for name in ("vpc-b", "vpc-d")}
    packets = attachment_packets("gcp", "customer-1")
    ping("vpc-c", "10.2.0.10")
    ping("vpc-c", "fd00:2::10")
    after = {name: echo_requests(name) for name in ("vpc-b", "vpc-d")}
    expect_equal(after["vpc-b"], before["vpc-b"], "echo requests at vpc-b")
    expected = tuple(count + 5 for count in before["vpc-d"])
    expect_equal(after["vpc-d"], expected, "echo requests at vpc-d")
    expect_equal(attachment_packets("gcp", "customer-1"), packets, "packets of customer 1")


def a_customer_without_its_host_reaches_nobody():
    run("ip", "-n", "vpc-d", "link", "set", "eth0", "down")
    try:
        before = echo_requests("vpc-b")
        ns("vpc-c", "ping", "-n", "-c", 3, "-i", "0.1", "-W", 1, "10.2.0.10", check=False)
        text = ns("vpc-c", "ping", "-n", "-c", 3, "-i", "0.1", "-W", 1, "10.2.0.10", check=False)
        expect(" 0 received" in text, text)
        expect_equal(echo_requests("vpc-b"), before, "echo requests at vpc-b")
    finally:
        run("ip", "-n", "vpc-d", "link", "set", "eth0", "up")
        run("ip", "-n", "vpc-d", "address", "replace", "fd00:2::10/64", "dev", "eth0", "nodad")
        for route in (("-4", "10.2.0.1"), ("-6", "fd00:2::1")):
            run("ip", route[0], "-n", "vpc-d", "route", "replace", "default", "via", route[1])
    wait_for(lambda: "1 received" in ping_once("vpc-c", "10.2.0.10"), "customer 2 comes back")


def tcpdump_sees_nothing_but_macsec():
    captures = [capture(channel) for channel in CHANNELS]
    try:
        # Many flows, so that every channel carries some.
        iperf("10.2.0.10", "--parallel", 16, "--bitrate", "1M")
        iperf("fd00:2::10", "--parallel", 16, "--bitrate", "1M")
    finally:
        for process, _ in captures:
            finish(process)
    for (_, path), channel in zip(captures, CHANNELS):
        types = ether_types(path)
        tap.diagnose(f"{channel}: {len(types)} frames")
        expect(len(types) > 100, f"{channel} carried only {len(types)} frames")
        expect_equal(set(types), {MACSEC}, f"EtherTypes on {channel}")


def no_channel_ever_carried_anything_else():
    for channel, (process, path) in watch.items():
        finish(process)
        expect_equal(ether_types(path), [], f"EtherTypes on {channel} other than MACsec")
    watch.clear()


def accounting_is_balanced():
    for edge in ("aws", "gcp"):
        wait_for(lambda edge=edge: api(edge, "/v1/counters")["accounting"][0]["unaccounted"] == 0,
                 f"packets of {edge} unaccounted for", 3)
        entry = api(edge, "/v1/counters")["accounting"][0]
        tap.diagnose(json.dumps({k: v for k, v in entry.items() if k != "punted"}))
        alarming = ("macsec_", "frame_")
        wrong = {r: n for r, n in entry["drops"].items() if n and r.startswith(alarming)}
        expect_equal(wrong, {}, f"drops at {edge} that should not be")


def devices_and_kernel_agree():
    """What one edge sends the other receives or lost in its device; the kernel counts the same."""

    def differences():
        ports = {edge: port_counters(edge) for edge in ("aws", "gcp")}
        wrong = []
        for here, there in (("aws", "gcp"), ("gcp", "aws")):
            kernel = kernel_counters(there)
            for channel in CHANNELS:
                near, far = ports[here][channel], ports[there][channel]
                lost = far["rx_missed"] + far["rx_errors"] + far["rx_nombuf"]
                sent = near["tx_packets"] - near["tx_errors"]
                seen = kernel[channel]["rx"]["packets"]
                if not sent == far["rx_packets"] + lost == seen:
                    wrong.append((here, channel, sent, far["rx_packets"], lost, seen))
        return wrong

    try:
        wait_for(lambda: not differences(), "the same packets at both ends of every channel", 5)
    finally:
        for wrong in differences():
            tap.diagnose("{} {}: sent {}, received {}, lost in the device {}, kernel {}".format(*wrong))
    carried = sum(port_counters("gcp")[channel]["rx_packets"] for channel in CHANNELS)
    expect(carried > 10_000, f"only {carried} packets crossed")
    tap.diagnose(f"{carried} packets from aws to gcp")


def a_paused_edge_counts_what_it_misses():
    """More than its rings hold arrives while an edge stands still: the loss is in the books."""

    def lost():
        return api("gcp", "/v1/counters")["accounting"][0]["device_rx_lost"]

    before = lost()
    pid = pid_of("gcp")
    os.kill(pid, signal.SIGSTOP)
    try:
        # One flow takes one channel, whose ring has room for a few thousand packets.
        flood = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n" \
                "for _ in range(20_000): s.sendto(bytes(100), ('10.2.0.10', 9))"
        ns("vpc-a", "/usr/bin/python3", "-c", flood, timeout=60)
        time.sleep(0.2)
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: lost() > before, "losses in the device are counted", 5)
    tap.diagnose(f"{lost() - before} packets lost while the edge stood still")
    devices_and_kernel_agree()


def kernels_talk_over_a_channels_interface():
    """What is not the edge's is the kernel's: TCP between both kernels, while MACsec goes on."""
    for edge, address in (("edge-aws", "192.0.2.1/30"), ("edge-gcp", "192.0.2.2/30")):
        ns(edge, "ethtool", "-K", "ch1", "tx", "off")
        run("ip", "-n", edge, "address", "add", address, "dev", "ch1")
    pings = start("vpc-a", "ping", "-n", "-c", 20, "-i", "0.1", "-W", 2, "10.2.0.10")
    ping("edge-aws", "192.0.2.2")
    rate = iperf("192.0.2.2", client="edge-aws", server="edge-gcp")["sum_received"]["bits_per_second"]
    tap.diagnose(f"{rate / 1e6:.0f} Mbps between the kernels")
    expect(rate > 10e6, f"{rate / 1e6:.1f} Mbps")
    expect("20 received" in pings.communicate(timeout=20)[0], "the customer's packets")
    frames = port_counters("gcp")["ch1"]["frames"]
    tap.diagnose(json.dumps(frames))
    expect(frames["kernel"] > 100 and frames["macsec"] > 0, str(frames))


def a_vanished_interface_is_told():
    before = pid_of("aws")
    run("ip", "-n", "edge-aws", "link", "del", "cust-2")

    def told():
        with open(f"{DIR}/aws.log", encoding="utf-8", errors="replace") as file:
            return file.read().count("port aws/cust-2: interface cust-2 is gone")

    wait_for(lambda: told() == 1, "the log says that cust-2 is gone", 5)
    expect(not port_counters("aws")["cust-2"]["link_up"], "link of a port that is gone")
    ping("vpc-a", "10.2.0.10")
    used = cpu_seconds(before)
    time.sleep(1)
    expect(cpu_seconds(before) - used < 0.5, "the edge spins")
    expect_equal((pid_of("aws"), told()), (before, 1), "process, and how often it was told")


def status_shows_both_edges():
    text = run(LAB, "status")
    for edge in ("edge-aws: process", "edge-gcp: process"):
        expect(edge in text, text)


def a_second_up_is_refused():
    pids = [pid_of(edge) for edge in ("aws", "gcp")]
    text = run(LAB, "up", check=False, timeout=60)
    expect("is up already" in text, text)
    expect_equal([pid_of(edge) for edge in ("aws", "gcp")], pids, "processes")
    ping("vpc-a", "10.2.0.10", count=1)


def up_after_a_crash_starts_afresh():
    os.kill(pid_of("aws"), signal.SIGKILL)
    wait_for(lambda: run(LAB, "status", check=False).count("not running") == 1, "the edge is gone")
    run(LAB, "up", timeout=90)
    ping("vpc-a", "10.2.0.10")


def down_leaves_nothing():
    pids = [pid_of(edge) for edge in ("aws", "gcp")]
    run(LAB, "down", timeout=60)
    left = [name for name in NAMESPACES if os.path.exists(f"/run/netns/{name}")]
    expect_equal(left, [], "namespaces")
    expect_equal([pid for pid in pids if runs(pid)], [], "processes")
    expect(not os.path.exists(DIR), f"{DIR} is still there")
    run(LAB, "down", timeout=60)


if __name__ == "__main__":
    tap.require_root()
    raise SystemExit(
        tap.run_cases(
            [
                ping_across_ipv4,
                ping_across_ipv6,
                ping_with_fragments,
                largest_packets_pass_unfragmented,
                edge_answers_ping,
                ttl_exceeded_is_told,
                unrouted_address_is_told,
                path_mtu_is_told,
                iperf3_tcp_ipv4,
                iperf3_tcp_ipv6,
                iperf3_udp_ipv4,
                iperf3_udp_ipv6,
                customers_do_not_see_each_other,
                a_customer_without_its_host_reaches_nobody,
                tcpdump_sees_nothing_but_macsec,
                accounting_is_balanced,
                devices_and_kernel_agree,
                a_paused_edge_counts_what_it_misses,
                no_channel_ever_carried_anything_else,
                kernels_talk_over_a_channels_interface,
                a_vanished_interface_is_told,
                status_shows_both_edges,
                a_second_up_is_refused,
                up_after_a_crash_starts_afresh,
                down_leaves_nothing,
            ],
            before=lab_up,
            after=lab_down,
        )
    )
