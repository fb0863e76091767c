"""Network namespaces of a test's own, veth pairs between them, and packet sockets inside."""

import ctypes
import os
import socket
import sys

from tap import run

_CLONE_NEWNET = 0x40000000
_ETH_P_ALL = 3


def require(what):
    """Ends the test as skipped where the kernel or the container has no namespaces."""
    probe = f"isthmus-probe-{os.getpid()}"
    refused = run("ip", "netns", "add", probe, check=False)
    if refused:
        print(f"1..0 # SKIP no network namespaces here ({what}): {refused.strip()}")
        sys.exit(0)
    run("ip", "netns", "del", probe)


class Namespace:
    """Made at once; remove() takes it and all interfaces in it away."""

    def __init__(self, name):
        self.name = f"isthmus-{name}-{os.getpid()}"
        run("ip", "netns", "add", self.name)
        # The kernel's own chatter (IPv6 autoconfiguration) stays off the links.
        self.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1",
                 "net.ipv6.conf.default.disable_ipv6=1")

    def command(self, *words):
        return ["ip", "netns", "exec", self.name, *(str(word) for word in words)]

    def run(self, *words, **options):
        return run(*self.command(*words), **options)

    def packet_socket(self, interface):
        """A raw socket on an interface of the namespace, usable from outside it."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/self/ns/net", encoding="ascii") as here, \
                open(f"/run/netns/{self.name}", encoding="ascii") as there:
            if libc.setns(there.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            try:
                opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
                opened.bind((interface, _ETH_P_ALL))
            finally:
                libc.setns(here.fileno(), _CLONE_NEWNET)
        return opened

    def remove(self):
        run("ip", "netns", "del", self.name, check=False)


def veth(namespace, name, peer_namespace, peer_name, mtu=1600):
    """One queue each: DPDK's net_af_xdp polls only the first."""
    run("ip", "link", "add", name, "netns", namespace.name, "mtu", mtu, "numrxqueues", 1,
        "numtxqueues", 1, "type", "veth", "peer", "name", peer_name, "netns", peer_namespace.name,
        "mtu", mtu, "numrxqueues", 1, "numtxqueues", 1)
    for owner, interface in ((namespace, name), (peer_namespace, peer_name)):
        run("ip", "-n", owner.name, "link", "set", interface, "up")
