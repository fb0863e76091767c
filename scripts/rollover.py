"""SA rollovers under full load: new SAKs for every channel and direction, again and again, through
the control socket, while all hosts send as fast as they can.

Nothing may be lost, late, refused or in clear. Run it with scripts/rollover.
"""

import argparse
import os
import sys
import time

from demo import Demo
from demo_counters import CHANNELS, CUSTOMERS, DIRECTIONS, Interval
from demo_daemon import Daemon, DaemonError
from demo_report import LiveView
from isthmus_client import ApiError, Client

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ANS = 4


class Rollover:
    """One direction of one channel moves to its next AN."""

    def __init__(self, demo):
        self.demo = demo
        self.client = demo.client
        self.an = {}
        for channel in CHANNELS:
            for sender, receiver in DIRECTIONS:
                sas = self.client.get(demo.channel_path(sender, channel))["tx_sas"]
                self.an[channel, sender, receiver] = sas[0]["an"]

    def roll(self, number):
        places = list(self.an)
        channel, sender, receiver = place = places[number % len(places)]
        old, new = self.an[place], (self.an[place] + 1) % ANS
        self.demo.add_sa(sender, receiver, channel, new)
        self.demo.move_to_sa(sender, receiver, channel, old, new)
        self.an[place] = new

    def settled(self):
        """How many directions have the newest SA at both ends, and no other."""
        count = 0
        for (channel, sender, receiver), an in self.an.items():
            tx = self.client.get(self.demo.channel_path(sender, channel))
            rx = self.client.get(self.demo.channel_path(receiver, channel))
            ends = [sa["an"] for sa in tx["tx_sas"]]
            ends += [sa["an"] for sc in rx["rx_scs"] for sa in sc["sas"]]
            count += set(ends) == {an} and len(ends) == 1 + len(rx["rx_scs"])
        return count


def untagged(client):
    """Frames that left, or were taken, without protection."""
    return sum(channel["out_pkts_untagged"] + channel["in_pkts_untagged"] + channel["in_pkts_no_tag"]
               for channel in client.get("/v1/counters")["channels"])


def run(demo, count):
    """Rolls `count` SAs under load and adds what it saw to the demo's checks."""
    demo.configure()
    for customer in CUSTOMERS:
        demo.limit(customer, 0)
    rollover = Rollover(demo)
    first = demo.quiet()
    demo.view.say(f"\nAll hosts send as fast as they can; {count} SAs are replaced meanwhile")
    for customer in CUSTOMERS:
        demo.offer(customer, 0)
    time.sleep(0.5)
    begin = time.monotonic()
    for number in range(count):
        rollover.roll(number)
    seconds = time.monotonic() - begin
    whole = Interval(first, demo.quiet())
    checks = demo.checks
    checks.equal("channel directions on their last SA only", rollover.settled(), len(rollover.an),
                 "directions")
    checks.at_least("packets carried meanwhile", whole.hosts("received_packets"), 1000 * count,
                    "packets")
    checks.equal("customers' packets lost", whole.lost(), 0, "packets")
    drops = {reason: packets for reason, packets in whole.drops().items() if packets != 0}
    checks.equal("packets dropped by the edges", sum(drops.values()), 0, "packets")
    if drops:
        demo.view.say("dropped: " + ", ".join(f"{reason} {n}" for reason, n in drops.items()))
    checks.equal("late, not valid, not using SA", whole.receive_errors(), 0, "packets")
    checks.equal("frames without protection", untagged(demo.client), 0, "frames")
    for edge, accounting in whole.last.accounting.items():
        checks.equal(f"packets of {edge} unaccounted for", accounting["unaccounted"], 0, "packets")
    demo.figures["rollovers_per_second"] = count / seconds
    demo.figures["gbps"] = whole.hosts("received_bytes") * 8 / 1e9 / whole.seconds


def main():
    parser = argparse.ArgumentParser(prog="scripts/rollover", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000, help="SAs to replace, default 1000")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="default 1")
    parser.add_argument("--build", default=os.path.join(ROOT, "build"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    view = LiveView()
    program = os.path.join(arguments.build, "src", "control", "isthmusd")
    with Daemon(program, os.path.join(ROOT, "examples", "demo.toml"),
                arguments.workers) as daemon:
        client = Client(daemon.socket_path)
        demo = Demo(client, dict.fromkeys(CUSTOMERS, 1e9), view)
        try:
            run(demo, arguments.count)
        except (OSError, KeyError, DaemonError, ApiError) as error:
            view.say(f"\nrollover: {type(error).__name__}: {error}\nthe daemon's log:\n{daemon.log()}")
            return 1
        client.close()
        demo.checks.equal("isthmusd's exit code after SIGTERM", daemon.stop(), 0, "")
    demo.checks.write(os.path.join(arguments.build, "report", "rollover.json"), demo.figures)
    view.say("")
    for line in demo.checks.lines():
        view.say(line)
    view.say(f"{demo.figures['rollovers_per_second']:.0f} rollovers a second at "
             f"{demo.figures['gbps']:.2f} Gbps")
    return 0 if demo.checks.passed() else 1


if __name__ == "__main__":
    sys.exit(main())
