"""macsec-vectors and macsec-pcap as users call them, over tests/vectors.

usage: test_tools.py MACSEC_VECTORS MACSEC_PCAP [reference]

Captures are made of the vectors here. With "reference", both programs run over a folder with more
vectors/ and captures/ instead: $ISTHMUS_REFERENCE, or ../shared/reference beside the repository.
Exits with 77, which meson takes for skipped, if there is none.
"""

import glob
import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OWN_VECTORS = os.path.join(ROOT, "tests", "vectors")
REFERENCE = os.environ.get("ISTHMUS_REFERENCE") or os.path.join(
    os.path.dirname(ROOT), "shared", "reference"
)
VECTORS_PROGRAM, PCAP_PROGRAM = "macsec-vectors", "macsec-pcap"  # set from the arguments

MICROSECONDS, NANOSECONDS = 0xA1B2C3D4, 0xA1B23C4D
ETHERNET, RAW_IP = 1, 101


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode < 0:
        raise AssertionError(f"{command} died of signal {-done.returncode}\n{done.stderr}")
    return done


def last_line(done):
    return done.stdout.rstrip("\n").rsplit("\n", 1)[-1]


def write_capture(path, frames, order="<", magic=MICROSECONDS, link_type=ETHERNET):
    with open(path, "wb") as capture:
        capture.write(struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link_type))
        for number, frame in enumerate(frames):
            header = struct.pack(order + "IIII", 1000, number, len(frame), len(frame))
            capture.write(header + frame)


def read_capture(path):
    """The frames of a file that a program of this machine wrote."""
    with open(path, "rb") as capture:
        octets = capture.read()
    frames, at = [], 24
    while at < len(octets):
        length = struct.unpack_from("=I", octets, at + 8)[0]
        frames.append(octets[at + 16 : at + 16 + length])
        at += 16 + length
    return frames


def load(name):
    with open(os.path.join(OWN_VECTORS, name), encoding="utf-8") as text:
        return json.load(text)


class Scratch(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="isthmus-macsec-")
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)


class VectorsTest(Scratch):
    def expect(self, code, *folders):
        done = run(VECTORS_PROGRAM, *folders)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def test_own_vectors_pass(self):
        done = self.expect(0, OWN_VECTORS)
        self.assertRegex(last_line(done), r"^\d+ passed, 0 failed$")
        for name in os.listdir(OWN_VECTORS):
            if name.endswith(".json"):
                self.assertIn(name, done.stdout)

    def test_usage(self):
        self.assertIn("usage:", self.expect(2).stderr)
        self.assertIn("usage:", self.expect(2, "--no-such-option").stderr)

    def test_folders_without_vectors_fail(self):
        self.assertEqual(last_line(self.expect(1, self.folder.name)), "0 passed, 1 failed")
        done = self.expect(1, self.path("missing"), OWN_VECTORS)
        self.assertIn("missing", done.stdout)
        self.assertRegex(last_line(done), r"^\d+ passed, 1 failed$")

    def test_malformed_files_fail(self):
        for text in ("", "[", "[]", "7", "[7]", '[{"name": "x"}]', '[{"plain_frame": "00"}]'):
            self.write("macsec_x.json", text)
            self.assertRegex(last_line(self.expect(1, self.folder.name)), "^0 passed, ", text)

    def test_mismatch_fails_and_is_named(self):
        vectors = load("macsec_ieee_annexc.json")
        frame = vectors[3]["protected_frame"]
        vectors[3]["protected_frame"] = frame[:-1] + ("0" if frame[-1] != "0" else "1")
        self.write("macsec_altered.json", json.dumps(vectors))
        done = self.expect(1, self.folder.name)
        self.assertIn(vectors[3]["name"], done.stdout)

    def test_optional_fields_may_be_missing(self):
        kept = "suite key pn ssci salt sci an plain_frame protected_frame".split()
        vectors = [
            {field: value for field, value in vector.items() if field in kept and value is not None}
            for vector in load("macsec_ieee_annexc.json")
        ]
        self.write("macsec_bare.json", json.dumps(vectors))
        self.assertRegex(last_line(self.expect(0, self.folder.name)), r"^\d+ passed, 0 failed$")

    def test_tags_in_clear(self):
        vectors = load("macsec_ieee_annexc.json")
        for number, vector in enumerate(vectors):
            tags = "81000001" if number % 2 else "88a8000281000003"
            for wire, bare in (("wire_frame", "protected_frame"), ("wire_plain", "plain_frame")):
                vector[wire] = vector[bare][:24] + tags + vector[bare][24:]
            vector["clear_tags"] = tags
        self.write("macsec_tags.json", json.dumps(vectors))
        self.expect(0, self.folder.name)
        vectors[5]["wire_frame"] = vectors[5]["protected_frame"]
        self.write("macsec_tags.json", json.dumps(vectors))
        self.expect(1, self.folder.name)


class PcapTest(Scratch):
    def setUp(self):
        super().setUp()
        # Of each suite, encrypted and integrity only, one SA and its two frames.
        self.vectors = load("macsec_ieee_annexc.json")

    def keys(self, vector, **changes):
        sa = {"sci": vector["sci"], "an": vector["an"], "key": vector["key"]}
        if vector["salt"]:
            high_pn = int(vector["pn"], 16) >> 32
            sa |= {"salt": vector["salt"], "ssci": int(vector["ssci"], 16), "high_pn": high_pn}
        return self.write("keys.json", json.dumps({"note": "", "sas": [sa | changes]}))

    def expect(self, code, *arguments):
        done = run(PCAP_PROGRAM, *arguments)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def capture(self, *frames, **form):
        write_capture(self.path("in.pcap"), frames, **form)
        return self.path("in.pcap")

    def test_every_suite_and_form_of_file(self):
        for number, vector in enumerate(self.vectors):
            frame = bytes.fromhex(vector["protected_frame"])
            form = {
                "order": "<" if number % 2 else ">",
                "magic": NANOSECONDS if number % 4 < 2 else MICROSECONDS,
            }
            capture = self.capture(frame, b"\0" * 60, frame, **form)
            out = [self.path("out.pcap"), self.path("again.pcap")]
            done = self.expect(
                0, capture, self.keys(vector), "-o", out[0], "--reprotect", out[1]
            )
            self.assertEqual(last_line(done), "2 passed, 0 failed")
            self.assertIn("1 frames without SecTAG", done.stdout)
            self.assertIn(vector["sci"], done.stdout)
            self.assertIn(str(int(vector["pn"], 16)), done.stdout)
            self.assertEqual(read_capture(out[0]), [bytes.fromhex(vector["plain_frame"])] * 2)
            self.assertEqual(read_capture(out[1]), [frame] * 2)

    def test_arguments_in_any_order(self):
        vector = self.vectors[0]
        capture = self.capture(bytes.fromhex(vector["protected_frame"]))
        keys, out = self.keys(vector), self.path("out.pcap")
        for arguments in (
            (capture, keys, "--reprotect"),
            (capture, "--reprotect", keys),
            ("--reprotect", capture, keys),
            (f"--reprotect={out}", capture, keys),
            ("--reprotect", out, capture, keys),
            (capture, keys, "--engine", "openssl", "--reprotect", out),
        ):
            self.assertIn(" same\n", self.expect(0, *arguments).stdout)

    def test_usage(self):
        for arguments in ((), ("one",), ("1", "2", "3"), ("1", "2", "--wrong"), ("1", "2", "-o")):
            self.assertIn("usage:", self.expect(2, *arguments).stderr)

    def test_altered_frames_fail(self):
        for vector in self.vectors:
            frame = bytearray.fromhex(vector["protected_frame"])
            frame[-1] ^= 1
            capture = self.capture(bytes(frame), bytes.fromhex(vector["protected_frame"]))
            done = self.expect(1, capture, self.keys(vector))
            self.assertEqual(last_line(done), "1 passed, 1 failed")
            self.assertIn("not valid", done.stdout)

    def test_padding_is_not_compared(self):
        padded = [
            (vector, vector["wire_frame_padded_to_60"])
            for vector in load("macsec_synthetic.json")
            if vector.get("wire_frame_padded_to_60")
        ]
        self.assertTrue(padded)
        for vector, frame in padded:
            capture = self.capture(bytes.fromhex(frame))
            self.expect(0, capture, self.keys(vector), "--reprotect")

    def test_nothing_to_decrypt_fails(self):
        capture = self.capture(b"\0" * 60)
        done = self.expect(1, capture, self.keys(self.vectors[0]))
        self.assertEqual(last_line(done), "0 passed, 0 failed")
        self.expect(1, self.capture(), self.keys(self.vectors[0]))

    def test_malformed_files_are_named(self):
        vector = self.vectors[0]
        frame = bytes.fromhex(vector["protected_frame"])
        keys = self.keys(vector)
        capture = self.capture(frame)
        with open(capture, "rb") as whole:
            octets = whole.read()
        for length in (0, 10, 24 + 7, len(octets) - 1):
            with open(self.path("cut.pcap"), "wb") as cut:
                cut.write(octets[:length])
            done = self.expect(1, self.path("cut.pcap"), keys)
            self.assertIn("cut.pcap", done.stderr, length)
        self.assertIn("missing", self.expect(1, self.path("missing"), keys).stderr)
        self.assertIn("missing", self.expect(1, capture, self.path("missing")).stderr)
        raw = self.capture(frame, link_type=RAW_IP)
        self.assertIn("not a capture of Ethernet", self.expect(1, raw, keys).stderr)
        self.assertIn("engine", self.expect(1, capture, keys, "--engine", "none").stderr)

    def test_malformed_keys_are_named(self):
        vector = self.vectors[0]
        capture = self.capture(bytes.fromhex(vector["protected_frame"]))
        for field, value in (
            ("key", "00"),
            ("key", vector["key"] + "00"),
            ("key", "zz" * 16),
            ("key", 7),
            ("sci", None),
            ("an", 4),
            ("salt", "00" * 11),
            ("salt", "00" * 12),
            ("ssci", 1),
        ):
            done = self.expect(1, capture, self.keys(vector, **{field: value}))
            self.assertRegex(done.stderr, r"keys\.json: sas\[0\]: ", (field, value))
            self.assertNotIn(vector["key"], done.stderr)
        for text in ("", "{", "[]", "{}", '{"sas": 7}', '{"sas": []}', '{"sas": [1]}'):
            self.assertIn("keys.json", self.expect(1, capture, self.write("keys.json", text)).stderr)


class ReferenceTest(unittest.TestCase):
    def test_vectors(self):
        done = run(VECTORS_PROGRAM, os.path.join(REFERENCE, "vectors"))
        print(last_line(done), file=sys.stderr)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_captures(self):
        captures = sorted(glob.glob(os.path.join(REFERENCE, "captures", "*.pcap")))
        self.assertTrue(captures)
        for capture in captures:
            keys = capture.removesuffix(".pcap") + ".json"
            done = run(PCAP_PROGRAM, capture, keys, "--reprotect")
            print(os.path.basename(capture), last_line(done), file=sys.stderr)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    VECTORS_PROGRAM, PCAP_PROGRAM = sys.argv[1:3]
    with_reference = sys.argv[3:] == ["reference"]
    if with_reference and not os.path.isdir(REFERENCE):
        print(f"skipped: there is no {REFERENCE}")
        sys.exit(77)
    cases = [ReferenceTest] if with_reference else [VectorsTest, PcapTest]
    suite = unittest.TestSuite(map(unittest.defaultTestLoader.loadTestsFromTestCase, cases))
    sys.exit(not unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful())
