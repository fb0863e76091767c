"""A hundred clients that want no good, in a process of their own.

    hostile_clients.py SOCKET ROUTES_PATH

Runs until standard input ends; then prints how many connections it has made.
"""

import os
import random
import select
import socket
import sys

COUNT = 104


class Hostile:
    made = 0

    def __init__(self, path):
        self.path = path
        self.sock = None

    def step(self):
        try:
            if self.sock is None:
                self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                self.sock.setblocking(False)
                self.sock.connect(self.path)
                Hostile.made += 1
                self.begin()
            else:
                self.go_on()
        except BlockingIOError:
            pass
        except OSError:
            self.end()

    def end(self):
        self.sock.close()
        self.sock = None

    def begin(self):
        pass

    def go_on(self):
        if self.sock.recv(4096) == b"":
            self.end()


class SlowHeader(Hostile):
    def begin(self):
        self.sock.send(b"GET /v1/status HTTP/1.1\r\nX: ")

    def go_on(self):
        self.sock.send(b"x")


class SlowBody(Hostile):
    def begin(self):
        self.sock.send(b"PATCH " + ROUTES + b" HTTP/1.1\r\nHost: i\r\nContent-Length: 100000\r\n\r\n")

    def go_on(self):
        self.sock.send(b" ")


class EndlessLines(Hostile):
    number = 0

    def begin(self):
        self.sock.send(b"PATCH " + ROUTES + b" HTTP/1.1\r\nHost: i\r\nTransfer-Encoding: chunked\r\n"
                       b"Content-Type: application/x-ndjson\r\n\r\n")

    def go_on(self):
        self.number += 1
        line = b'{"prefix":"99.%d.%d.0/24","via":"channels"}\n' % divmod(self.number % 65536, 256)
        self.sock.send(b"%x\r\n%s\r\n" % (len(line), line))


class HugeBody(Hostile):
    def begin(self):
        self.sock.send(b"PATCH " + ROUTES + b" HTTP/1.1\r\nHost: i\r\nContent-Length: 1048576\r\n\r\n")

    def go_on(self):
        self.sock.send(b"[0,0,0," * 2000)
        super().go_on()


class Broken(Hostile):
    def begin(self):
        self.sock.send(random.randbytes(200) + b"\r\n\r\n")


class Pipelined(Hostile):
    def begin(self):
        self.sock.send(b"GET /v1/counters HTTP/1.1\r\nHost: i\r\n\r\n" * 100)

    def go_on(self):
        if self.sock.recv(200) == b"":
            self.end()


class HalfClosed(Hostile):
    def begin(self):
        self.sock.send(b"GET /v1/drops HTTP/1.1\r\nHost: i\r\n\r\n")
        self.sock.shutdown(socket.SHUT_WR)


class SlowReader(Hostile):
    def begin(self):
        self.sock.send(b"GET " + ROUTES + b" HTTP/1.1\r\nHost: i\r\nAccept: application/x-ndjson\r\n\r\n")

    def go_on(self):
        if self.sock.recv(100) == b"":
            self.end()


KINDS = (SlowHeader, SlowBody, EndlessLines, HugeBody, Broken, Pipelined, HalfClosed, SlowReader)

if __name__ == "__main__":
    ROUTES = sys.argv[2].encode()
    clients = [KINDS[n % len(KINDS)](sys.argv[1]) for n in range(COUNT)]
    while True:
        for client in clients:
            client.step()
        if select.select([sys.stdin], [], [], 0.02)[0] and not os.read(0, 1):
            break
    print(Hostile.made)
