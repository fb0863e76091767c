"""Checks every frame printed by the program given as argument: scapy takes it apart, forgets its
checksums and lengths, and must arrive at the same octets again. Skipped (77) without scapy."""
import collections
import logging
import subprocess
import sys

logging.getLogger("scapy").setLevel(logging.ERROR)
try:
    from scapy.all import Ether, IPerror, IPerror6, Raw
except ImportError:
    sys.exit(77)


def summary(packet):
    return "/".join(layer.__name__ for layer in packet.layers() if layer is not Raw)


def quoted_again(packet):
    """Quoted packets are cut short: their checksums and lengths are those of the whole packet."""
    for kind in (IPerror, IPerror6):
        if kind in packet:
            under = packet[kind].underlayer
            octets = bytes(packet[kind].original)
            under.remove_payload()
            under.add_payload(Raw(octets))


def rebuilt(octets):
    packet = Ether(octets)
    quoted_again(packet)
    layer = packet
    while layer:
        for field in ("chksum", "cksum", "plen", "len", "ihl"):
            if field in layer.fields and not isinstance(layer, Raw):
                if not (field == "len" and layer.name.startswith("ICMPv6")):
                    layer.delfieldval(field)
        layer = layer.payload
    return packet, bytes(packet)


seen = collections.Counter()
for line in subprocess.run(sys.argv[1], check=True, stdout=subprocess.PIPE, text=True).stdout.split():
    octets = bytes.fromhex(line)
    packet, again = rebuilt(octets)
    seen[summary(packet)] += 1
    if again != octets:
        packet.show()
        sys.exit(f"scapy would send\n{again.hex()}\ninstead of\n{octets.hex()}")
for kind, number in sorted(seen.items()):
    print(f"{number:5} {kind}")
if len(seen) < 12:
    sys.exit("too few kinds of frames for a check")
