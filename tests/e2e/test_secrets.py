"""Where a SAK is while the daemon has it, and after it is gone: memory, log, state file, arguments.

Reads the memory of an isthmusd of its own, which needs root.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time

import tap
from tap import expect, expect_equal

sys.path.insert(0, os.path.join(tap.ROOT, "tests", "control"))
from api_daemon import Daemon  # noqa: E402

DAEMON = os.path.join(tap.BUILD, "src", "control", "isthmusd")
CTL = os.path.join(tap.BUILD, "src", "control", "isthmusctl")
SALT = "00112233445566778899aabb"
SCI = "0200000000990001"
# Lower case, so that the text is the one that a hexadecimal printer makes as well.
API_SAK, CTL_SAK, REFUSED_SAK, REPLACED_SAK = (os.urandom(32).hex() for _ in range(4))

state = {}


def start():
    tap.require_root()
    state["daemon"] = Daemon(DAEMON, state="state.db", secrets=True).__enter__()


def stop():
    if "daemon" in state:
        state["daemon"].__exit__()


def mappings(pid):
    """All that may be written; devices have no memory to read."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        for line in maps:
            span, mode, _, _, _, *name = line.split(maxsplit=5)
            if "w" in mode and not (name and name[0].startswith("/dev/")):
                begin, end = (int(edge, 16) for edge in span.split("-"))
                yield begin, end, name[0].strip() if name else "anonymous"


def copies(pid, sak):
    """(form, mapping, address) of every copy of a SAK in the process's memory."""
    forms = {"octets": bytes.fromhex(sak), "text": sak.encode(), "TEXT": sak.upper().encode()}
    # Most of a SAK is as bad as all of it.
    forms |= {f"half of the {name}": form[len(form) // 2 :] for name, form in forms.items()}
    found = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for begin, end, name in mappings(pid):
            memory.seek(begin)
            content = b""
            while len(content) < end - begin:
                try:
                    piece = memory.read(end - begin - len(content))
                except OSError:
                    break  # a guard page
                if not piece:
                    break
                content += piece
            for form, octets in forms.items():
                for match in re.finditer(re.escape(octets), content):
                    found.append((form, name, hex(begin + match.start())))
    return found


def expect_no_copy(sak, when):
    found = copies(state["daemon"].process.pid, sak)
    for form, name, address in found:
        tap.diagnose(f"{when}: {form} in {name} at {address}")
    expect_equal(len(found), 0, f"copies {when}")


def call(verb, path, body=None, status=200):
    reply = state["daemon"].call(verb, path, body)
    expect_equal(reply.status, status, f"status of {verb} {path}: {reply.text}")
    for sak in (API_SAK, CTL_SAK, REFUSED_SAK, REPLACED_SAK):
        expect(sak not in reply.text.lower(), f"{verb} {path} shows a SAK")
    return reply.json


def channel(name, rest=""):
    return f"/edges/aws/channels/{name}{rest}"


def the_scan_finds_what_is_there():
    """Or all that follows proves nothing."""
    own = bytearray(os.urandom(32))
    expect(copies(os.getpid(), own.hex()), "the scan does not find a copy in this process")


def the_text_of_a_sak_is_wiped_when_it_is_installed():
    call("POST", channel("ch1", "/tx-sas"), {"an": 0, "sak": API_SAK}, 201)
    call("POST", channel("ch1", "/rx-scs"), {"sci": SCI}, 201)
    call("POST", channel("ch1", f"/rx-scs/{SCI}/sas"), {"an": 1, "sak": REPLACED_SAK}, 201)
    for sak in (API_SAK, REPLACED_SAK):
        texts = [c for c in copies(state["daemon"].process.pid, sak) if "octets" not in c[0]]
        expect_equal(texts, [], "copies of the text")


def what_the_installed_sas_need_is_there():
    found = copies(state["daemon"].process.pid, API_SAK)
    # A key schedule of AES begins with the key itself; how many copies an engine keeps is its own
    # business, and that they go with the SA is the next case's.
    tap.diagnose(f"{len(found)} copies with the SA installed: {found}")


def nothing_is_left_of_sas_that_are_removed():
    call("DELETE", channel("ch1", "/tx-sas/0"), status=204)
    call("DELETE", channel("ch1", f"/rx-scs/{SCI}"), status=204)
    for sak in (API_SAK, REPLACED_SAK):
        expect_no_copy(sak, "after the SA has gone")


def a_refused_sak_leaves_nothing():
    bodies = [
        {"an": 7, "sak": REFUSED_SAK},
        {"an": 0, "sak": REFUSED_SAK + "0"},
        {"an": 0, "sak": REFUSED_SAK, "salt": SALT, "ssci": 1},
        {"an": 0, "sak": REFUSED_SAK, "unknown": REFUSED_SAK},
        {"an": 0, "sak": [REFUSED_SAK]},
    ]
    for body in bodies:
        call("POST", channel("ch1", "/tx-sas"), body, 400)
        expect_no_copy(REFUSED_SAK, f"of a refused SAK, fields {', '.join(body)}")
    raw = state["daemon"].raw
    broken = ('{"an":0,"sak":"' + REFUSED_SAK + '"').encode()  # the brace is missing
    expect_equal(raw("POST", "/v1" + channel("ch1", "/tx-sas"), broken).status, 400, "broken JSON")
    expect_no_copy(REFUSED_SAK, "of a SAK in broken JSON")


def a_chunked_body_is_wiped_too():
    sak = os.urandom(32).hex()
    body = json.dumps({"an": 0, "sak": sak}).encode()
    connection = state["daemon"].connection
    pieces = (body[n : n + 7] for n in range(0, len(body), 7))
    connection.request("POST", "/v1" + channel("ch2", "/tx-sas"), pieces, encode_chunked=True,
                       headers={"Transfer-Encoding": "chunked"})
    reply = connection.getresponse()
    reply.read()
    expect_equal(reply.status, 201, "status")
    call("DELETE", channel("ch2", "/tx-sas/0"), status=204)
    expect_no_copy(sak, "of a SAK in chunks")


def connections_that_end_leave_nothing():
    for ending in ("close", "abort"):
        sak = os.urandom(32).hex()
        body = json.dumps({"an": 0, "sak": sak}).encode()
        size = len(body) + (100 if ending == "abort" else 0)  # the rest never comes
        head = (
            f"POST /v1{channel('ch2', '/tx-sas')} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
        )
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(10)
            client.connect(state["daemon"].socket_path)
            client.sendall(head.encode() + body)
            if ending == "close":
                expect(client.recv(4096).startswith(b"HTTP/1.1 201"), "the SA is not installed")
            else:
                time.sleep(0.2)
        if ending == "close":
            call("DELETE", channel("ch2", "/tx-sas/0"), status=204)
        time.sleep(0.2)
        expect_no_copy(sak, f"with a connection that ends by {ending}")


def isthmusctl_leaves_nothing_either():
    for _ in range(2):
        for command in (["add-tx"], ["del-tx"]):
            arguments = ["sa", *command, "ch3", "--an", "0"]
            if command == ["add-tx"]:
                arguments += ["--salt", SALT, "--ssci", "1", "--key-file", "-"]
            done = subprocess.run(
                [CTL, "--socket", state["daemon"].socket_path, "--edge", "aws", *arguments],
                input=CTL_SAK, capture_output=True, text=True, timeout=30, check=False,
            )
            expect_equal(done.returncode, 0, done.stderr)
            expect(CTL_SAK not in done.stdout + done.stderr, "isthmusctl shows the SAK")
    expect_no_copy(CTL_SAK, "after isthmusctl's SA has gone")


def what_a_restart_brings_back_goes_as_well():
    call("POST", channel("ch1", "/tx-sas"), {"an": 0, "sak": API_SAK}, 201)
    call("POST", channel("ch1", "/rx-scs"), {"sci": SCI}, 201)
    call("POST", channel("ch1", f"/rx-scs/{SCI}/sas"), {"an": 1, "sak": REPLACED_SAK}, 201)
    state["daemon"].process.kill()
    state["daemon"].process.wait(10)
    state["daemon"].start()
    expect_equal(len(call("GET", channel("ch1"))["tx_sas"]), 1, "transmit SAs after the restart")
    call("DELETE", channel("ch1", "/tx-sas/0"), status=204)
    call("DELETE", channel("ch1", f"/rx-scs/{SCI}"), status=204)
    for sak in (API_SAK, REPLACED_SAK):
        expect_no_copy(sak, "after the SA that came back has gone")


def no_sak_is_in_the_log_or_the_arguments_or_a_file():
    daemon = state["daemon"]
    with open(f"/proc/{daemon.process.pid}/cmdline", "rb") as file:
        places = {"the arguments": file.read()}
    with open(f"/proc/{daemon.process.pid}/environ", "rb") as file:
        places["the environment"] = file.read()
    for folder, _, names in os.walk(daemon.folder.name):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    places[path] = file.read()
    expect(len(places) >= 4, f"looked at {list(places)}")
    for place, content in places.items():
        for sak in (API_SAK, CTL_SAK, REFUSED_SAK, REPLACED_SAK):
            for form in (bytes.fromhex(sak), sak.encode(), sak.upper().encode()):
                expect(form not in content, f"a SAK is in {place}")


if __name__ == "__main__":
    raise SystemExit(
        tap.run_cases(
            [
                the_scan_finds_what_is_there,
                the_text_of_a_sak_is_wiped_when_it_is_installed,
                what_the_installed_sas_need_is_there,
                nothing_is_left_of_sas_that_are_removed,
                a_refused_sak_leaves_nothing,
                a_chunked_body_is_wiped_too,
                connections_that_end_leave_nothing,
                isthmusctl_leaves_nothing_either,
                what_a_restart_brings_back_goes_as_well,
                no_sak_is_in_the_log_or_the_arguments_or_a_file,
            ],
            before=start,
            after=stop,
        )
    )
