"""Mutations of the torture messages, over UDP and TCP, to a gateway in a process of its own."""

from __future__ import annotations

import random
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.bench import resident
from tests.gatewayd import free_port, until_ready
from tests.sip import test_torture as torture
from tests.wire import OFFER, request

ROOT = Path(__file__).parent.parent.parent
WORDS = [
    b"", b"\r\n", b"\0", b"\xff\xfe", b"sip:", b";", b",", b'"', b"<", b">", b"@", b":", b"%00", b"A" * 5000,
    b"4294967296", b"-1", b"Content-Length: 99999\r\n", b"Via: SIP/2.0/UDP x;branch=z9hG4bK1\r\n",
    b"Route: <sip:a;lr>\r\n", b"Require: x\r\n", b"Replaces: a;to-tag=b;from-tag=c\r\n", b"Session-Expires: 1\r\n",
    b"v=0\r\n", b"m=audio 1 RTP/AVP 0\r\n",
]  # fmt: skip


def messages(count: int, seed: int = 4475) -> Iterator[bytes]:
    """The torture messages themselves, then mutations of them and of what calls are made of."""
    whole = [*torture.VALID.values(), *(data for data, _ in torture.REFUSED.values()), *torture.TOLERATED.values(),
             *torture.DROPPED.values()]  # fmt: skip
    yield from whole
    base = whole + [
        request(method, body=OFFER if method in ("INVITE", "UPDATE") else b"", to_tag=tag)
        for method in ("INVITE", "ACK", "BYE", "CANCEL", "REGISTER", "REFER", "NOTIFY", "PRACK", "UPDATE", "INFO")
        for tag in ("", "t1")
    ]
    dice = random.Random(seed)
    for number in range(count - len(whole)):
        data = bytearray(dice.choice(base))
        for _ in range(dice.randint(1, 4)):
            _mutate(data, dice, base)
        yield re.sub(rb"(?i)(call-id|\ni)( *:)", rb"\1\2 %d-" % number, bytes(data), count=1)


def _mutate(data: bytearray, dice: random.Random, base: list[bytes]) -> None:
    at = dice.randrange(len(data) + 1)
    end = min(len(data), at + dice.randint(0, 40))
    match dice.randrange(6):
        case 0 if at < len(data):
            data[at] ^= 1 << dice.randrange(8)
        case 1:
            del data[at:end]
        case 2:
            data[at:at] = data[at:end] * dice.randint(1, 20)
        case 3:
            data[at:at] = dice.choice(WORDS)
        case 4:
            data[at:end] = dice.choice(WORDS)
        case _:
            other = dice.choice(base)
            data[at:] = other[dice.randrange(len(other)) :]


class _Tcp:
    """One connection, made anew whenever the gateway has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def send(self, data: bytes) -> None:
        for _ in range(2):
            try:
                if self._socket is None:
                    self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=5)
                self._socket.sendall(data)
                self._socket.setblocking(False)
                try:
                    while self._socket.recv(65536):
                        pass
                    self._socket.close()
                    self._socket = None
                except BlockingIOError:
                    self._socket.setblocking(True)
                    self._socket.settimeout(5)
                return
            except OSError:
                if self._socket:
                    self._socket.close()
                self._socket = None

    def close(self) -> None:
        if self._socket:
            self._socket.close()


def _alive(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(2)
        for number in range(5):
            probe.sendto(request("OPTIONS", branch=f"z9hG4bKalive{number}{time.time()}"), ("127.0.0.1", port))
            try:
                if probe.recv(4000).startswith(b"SIP/2.0 200"):
                    return True
            except TimeoutError:
                continue
    return False


def run(count: int) -> str:
    """Half of them by UDP, half by TCP; what is wrong afterwards, empty where nothing is."""
    sip, http = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [Path(sys.executable).parent / "gateway", "demo", "--sip-port", str(sip), "--http-port", str(http)],
                stdout=output, stderr=output,
            )  # fmt: skip
        try:
            until_ready(http)
            return _play(count, sip, http, process.pid, log)
        finally:
            for _ in range(2):  # the second does not wait for calls
                process.terminate()
                time.sleep(0.5)
            process.wait(30)


def _play(count: int, sip: int, http: int, pid: int, log: Path) -> str:
    tcp, sizes = _Tcp(sip), []
    began = time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        for number, data in enumerate(messages(count)):
            if number % 2:
                tcp.send(data)
            else:
                udp.sendto(data[:60000], ("127.0.0.1", sip))
            if number % 50 == 0:
                time.sleep(0.02)  # so that the datagrams find room
            if number % (count // 10) == count // 10 - 1:
                sizes.append(resident(pid))
    tcp.close()
    seconds = time.monotonic() - began
    alive = _alive(sip)
    text = log.read_text(errors="replace")
    live = urllib.request.urlopen(f"http://127.0.0.1:{http}/metrics", timeout=5).read().decode()
    calls = re.search(r"^gateway_calls_live (\S+)", live, re.MULTILINE)
    memory, left = ", ".join(f"{one:.0f}" for one in sizes), calls[1] if calls else "?"
    print(f"{count} messages in {seconds:.0f} s; memory in MB after each tenth: {memory}")
    print(f"OPTIONS answered afterwards: {alive}; tracebacks: {text.count('Traceback')}; calls live: {left}")
    if not alive:
        return "OPTIONS is not answered"
    if "Traceback" in text:
        return text[text.index("Traceback") :][:2000]
    return ""
