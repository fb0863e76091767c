"""The feed of scripts/bench-peers: captures of IPv4/UDP frames that net_pcap sends for ever."""

import struct

FLOWS = 1024
# The block for benchmarks of RFC 2544: a /24 for each route.
ROUTES = tuple(f"198.18.{net}.0/24" for net in range(16))

VPC_MAC = "02:00:00:00:01:01"
HOST_MAC = "02:00:00:00:01:02"
CHANNEL_MAC = "02:00:00:00:02:01"
PEER_MAC = "02:00:00:00:02:02"

_ETHERNET, _IPV4, _UDP = 14, 20, 8


def _octets(mac):
    return bytes.fromhex(mac.replace(":", ""))


def _checksum(header):
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _ipv4(length, identifier, source, destination):
    def header(checksum):
        return struct.pack(
            "!BBHHHBBH4s4s", 0x45, 0, length, identifier, 0, 64, 17, checksum, source, destination
        )

    return header(_checksum(header(0)))


def frame(flow, size):
    """A frame of `size` octets without FCS; neighbouring flows go to different routes."""
    source = bytes((10, 255, 0, 2 + flow % 64))
    destination = bytes((198, 18, flow % len(ROUTES), 1 + flow // len(ROUTES) % 250))
    length = size - _ETHERNET
    return (
        _octets(VPC_MAC)
        + _octets(HOST_MAC)
        + b"\x08\x00"
        + _ipv4(length, flow, source, destination)
        # A UDP checksum of 0 is "none".
        + struct.pack("!HHHH", 1024 + flow, 5001, length - _IPV4, 0)
        + bytes(octet & 0xFF for octet in range(length - _IPV4 - _UDP))
    )


def _tagged(data, vlan):
    return data[:12] + struct.pack("!HH", 0x8100, vlan) + data[12:]


def write_capture(path, size, vlan=None):
    """All flows once, in frames of `size` octets with their tag."""
    with open(path, "wb") as file:
        file.write(struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for flow in range(FLOWS):
            data = frame(flow, size) if vlan is None else _tagged(frame(flow, size - 4), vlan)
            file.write(struct.pack("=IIII", 0, flow, len(data), len(data)) + data)
