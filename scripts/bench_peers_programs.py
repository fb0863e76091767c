"""The contestants of scripts/bench-peers: how each is started, and what it counts.

Unless told otherwise, all of them read net_pcap0 (a capture from memory, for ever) and send to net_null1 (frees), with the
worker on one core and everything else on the other one.
"""

import json
import os
import secrets
import socket

import bench_peers_feed as feed
from bench_peers_process import MEMORY_MB, Program, ProgramError
from isthmus_client import ApiError, Client, segment

_EDGE = "/v1/edges/bench"
_TX_DEVICE = "net_null1,no-rx=1"
_CHANNEL_MBPS = 400_000  # the highest limit there is
_AAD_OCTETS = 28  # what MACsec authenticates in front of the text: two addresses and a SecTAG


class Telemetry:
    """DPDK's telemetry socket: one request and one reply per datagram."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(5)
        try:
            self._socket.connect(path)
            self._max_reply = json.loads(self._socket.recv(1024))["max_output_len"]
        except BaseException:
            self._socket.close()
            raise

    def ask(self, command):
        self._socket.send(command.encode())
        return json.loads(self._socket.recv(self._max_reply))[command.split(",", maxsplit=1)[0]]

    def close(self):
        self._socket.close()


class Peer(Program):
    """One of DPDK's own programs. The examples want a transmit queue for every lcore, of which
    net_pcap has one: they run with one lcore, and DPDK keeps its other threads off that core."""

    niceness = -20

    def __init__(self, setup, program, arguments, vdevs, lcores="0@{worker}"):
        super().__init__(setup)
        self._telemetry = None
        lcores = lcores.format(main=setup.main_core, worker=setup.worker_core)
        self._command = [program, *self._eal(vdevs, lcores), "--", *arguments]

    def _eal(self, vdevs, lcores):
        memory = ["--in-memory"] if self.setup.huge else ["--no-huge", "--no-shconf"]
        arguments = ["--lcores", lcores, *memory, "-m", str(MEMORY_MB), "--iova-mode=va"]
        arguments += ["--no-pci", "--file-prefix=bench"]
        for vdev in vdevs:
            arguments += ["--vdev", vdev]
        return arguments

    def __enter__(self):
        try:
            env = {"RUNTIME_DIRECTORY": self.folder}
            if not self.setup.avx512:
                env["LD_PRELOAD"] = os.path.join(self.setup.peers, "ipsec_mb_avx2.so")
            self.start(self._command, env, self.niceness)
            path = os.path.join(self.folder, "dpdk", "bench", "dpdk_telemetry.v2")
            self._telemetry = self.wait_for("telemetry", lambda: Telemetry(path))
            self.await_packets()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def telemetry(self, command):
        return self._telemetry.ask(command)

    def counters(self):
        stats = [self.telemetry(f"/ethdev/stats,{port}") or {} for port in (0, 1)]
        return stats[0].get("ipackets", 0), stats[1].get("opackets", 0)

    def __exit__(self, *_):
        if self._telemetry is not None:
            self._telemetry.close()
        super().__exit__()


def _write(setup, name, text):
    path = os.path.join(setup.folder, name)
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    return path


def _devices(setup, size, *more):
    return (setup.rx_device(setup.capture(size)), _TX_DEVICE, *more)


TESTPMD_IO = ("--forward-mode=io", "--no-flush-rx", "--nb-cores=1", "--total-num-mbufs=16384")


def testpmd(setup, size):
    devices = _devices(setup, size)
    return Peer(setup, "dpdk-testpmd", TESTPMD_IO, devices, "0@{main},1@{worker}")


def l3fwd(setup, size):
    ipv4 = "".join(f"R{prefix} 1\n" for prefix in feed.ROUTES)
    # It reads its routes from files only if there is one of each kind.
    ipv6 = "R2001:200::/64 1\n"
    return Peer(
        setup,
        os.path.join(setup.peers, "l3fwd"),
        ["-p", "0x3", "-P", "--lookup=lpm", "--parse-ptype", "--config=(0,0,0),(1,0,0)"]
        + [f"--rule_ipv4={_write(setup, 'l3fwd.v4', ipv4)}"]
        + [f"--rule_ipv6={_write(setup, 'l3fwd.v6', ipv6)}"],
        _devices(setup, size),
    )


def _colons(count):
    return ":".join(f"{octet:02x}" for octet in secrets.token_bytes(count))


def l2fwd_crypto(setup, size):
    """Encrypts what follows the IPv4 header, with as much AAD as a SecTAG makes."""
    return Peer(
        setup,
        os.path.join(setup.peers, "l2fwd-crypto"),
        ["-p", "0x3", "-q", "2", "-T", "0", "--cdev_type", "SW", "--chain", "AEAD"]
        + ["--aead_algo", "aes-gcm", "--aead_op", "ENCRYPT", "--aead_key", _colons(16)]
        + ["--aead_iv", _colons(12), "--aad", _colons(_AAD_OCTETS), "--digest_size", "16"],
        _devices(setup, size, "crypto_aesni_gcm0", "crypto_aesni_gcm1"),  # one for each port
    )


def ipsec_secgw(setup, size):
    """Port 1 is the unprotected side, so that what comes in at port 0 is outbound. It wants an
    inbound SA too, which has nothing to do."""
    algorithm = f"aead_algo aes-128-gcm aead_key {_colons(20)} mode ipv4-tunnel"
    configuration = f"""
sp ipv4 out esp protect 5 pri 1 dst 198.18.0.0/15 sport 0:65535 dport 0:65535
sp ipv4 in esp protect 105 pri 1 dst 10.255.0.0/24 sport 0:65535 dport 0:65535
sa out 5 {algorithm} src 172.16.1.5 dst 172.16.2.5
sa in 105 {algorithm} src 172.16.2.5 dst 172.16.1.5
rt ipv4 dst 172.16.2.0/24 port 1
neigh port 1 {feed.PEER_MAC}
"""
    return Peer(
        setup,
        os.path.join(setup.peers, "ipsec-secgw"),
        ["-p", "0x3", "-P", "-u", "0x2", "--config=(0,0,0),(1,0,0)"]
        + ["-f", _write(setup, "secgw.cfg", configuration)],
        _devices(setup, size, "crypto_aesni_gcm0"),
    )


class Isthmusd(Program):
    """An edge with one attachment and one channel; only the egress direction has packets."""

    def __init__(self, setup, size, macsec):
        super().__init__(setup)
        self._macsec = macsec
        self._captures = [setup.capture(size)]  # one for each receive queue
        self._worker_cores = [setup.worker_core]
        self._client = None
        self.about = {}

    def _configuration(self):
        channel = (
            'cipher_suite = "GCM-AES-128"'
            if self._macsec
            else 'protect_frames = false\nvalidate_frames = "null"'
        )
        return f"""
socket = "{self.folder}/isthmusd.sock"
state = "none"
main_core = {self.setup.main_core}
worker_cores = {self._worker_cores}
poll = "busy"
memory_mb = {MEMORY_MB}
packet_buffers = 16384
allow_plaintext = {"false" if self._macsec else "true"}

[macsec]
engine = "{self.setup.engine}"

[[edge]]
name = "bench"

[[interconnect]]
name = "far"

# The feed starts with the port, which therefore stays down until all else is configured.
[[port]]
name = "vpc"
device = "{self._devices()[0]}"
mac = "{feed.VPC_MAC}"
admin_state = "down"

[[port]]
name = "ch1"
device = "{self._devices()[1]}"
mac = "{feed.CHANNEL_MAC}"

[[channel]]
name = "ch1"
port = "ch1"
capacity_mbps = {_CHANNEL_MBPS}
{channel}
"""

    def __enter__(self):
        try:
            path = os.path.join(self.folder, "bench.toml")
            with open(path, "w", encoding="ascii") as file:
                file.write(self._configuration())
            self.start([self.setup.isthmusd, "--config", path])
            self._client = Client(os.path.join(self.folder, "isthmusd.sock"))
            status = self.wait_for("API", lambda: self._client.get("/v1/status"))
            self.about = {
                "version": status["version"],
                "memory": status["memory"],
                "macsec_engine": status["macsec_engine"],
            }
            self._configure()
            self.await_packets()
        except BaseException as error:
            log = self.log() if self._process else ""
            self.__exit__(None, None, None)
            if isinstance(error, ApiError):
                raise ProgramError(f"{error}\n{log}") from error
            raise
        return self

    def _devices(self):
        """(VPC port, channel)"""
        return self.setup.rx_device(*self._captures), _TX_DEVICE

    def _attachments(self):
        """(VPC VLAN, or none; channel VLAN) of each."""
        return [(None, 1025)]

    def _add_attachment(self, number, vpc_vlan, vlan, share_bps):
        name, peer = f"customer{number}", f"169.254.{11 + number}.2"
        body = {
            "name": name,
            "port": "vpc",
            "addresses": ["10.255.0.1/24"],
            # All that the channel has is sold: the meters work, and nothing is over a limit.
            "limits": {"egress": {"rate_bps": share_bps, "burst_us": 1_000_000}},
            "features": {
                "ch1": {
                    "vlan": vlan,
                    "addresses": [f"169.254.{11 + number}.1/30"],
                    "peer_ipv4": peer,
                }
            },
            "routes": [{"prefix": prefix, "via": "channels"} for prefix in feed.ROUTES],
        }
        if vpc_vlan is not None:
            body["vlan"] = vpc_vlan
        self._client.call("POST", f"{_EDGE}/attachments", body)
        self._client.call(
            "PUT",
            f"{_EDGE}/attachments/{name}/neighbours/{segment(peer)}",
            {"mac": feed.PEER_MAC, "channel": "ch1"},
        )

    def _configure(self):
        call = self._client.call
        attachments = self._attachments()
        for number, (vpc_vlan, vlan) in enumerate(attachments):
            self._add_attachment(number, vpc_vlan, vlan, _CHANNEL_MBPS * 10**6 // len(attachments))
        if self._macsec:
            call("POST", f"{_EDGE}/channels/ch1/tx-sas", {"an": 0, "sak": secrets.token_hex(16)})
        call("PATCH", f"{_EDGE}/ports/vpc", {"admin_state": "up"})

    def get(self, path):
        return self._client.get(path)

    def counters(self):
        """Of the ports; with MACsec only what was encrypted counts as sent."""
        counters = self._client.get("/v1/counters")
        ports = {port["name"]: port for port in counters["ports"]}
        received, sent = ports["vpc"]["rx_packets"], ports["ch1"]["tx_packets"]
        if self._macsec:
            sent = sum(sc["out_pkts_encrypted"] for sc in counters["channels"][0]["tx_scs"])
        return received, sent

    def __exit__(self, *_):
        if self._client is not None:
            self._client.close()
        super().__exit__()


def isthmusd(setup, size):
    return Isthmusd(setup, size, macsec=False)


def isthmusd_macsec(setup, size):
    return Isthmusd(setup, size, macsec=True)


# In the order of the table: name, and how to make one that runs.
CONTESTANTS = {
    "testpmd": testpmd,
    "l3fwd": l3fwd,
    "isthmusd": isthmusd,
    "l2fwd-crypto": l2fwd_crypto,
    "ipsec-secgw": ipsec_secgw,
    "isthmusd-macsec": isthmusd_macsec,
}
