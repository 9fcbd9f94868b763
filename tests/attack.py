"""An attacker against a node with live calls: `python -m tests.attack`, as root on Linux.

All of it happens in a network namespace that it makes, with addresses that no private network has, so that the node
takes them for strangers'. Prints what each attack did, and what became of calls, ports, descriptors and the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import itertools
import json
import os
import re
import resource
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.sip import Credentials
from gateway.sip.message.message import Request, Response, parse
from gateway.sip.register.digest import Login
from tests.caller import Caller

NODE, CARRIER, PHONES, STRANGER, THIEF, VICTIM = (f"11.0.0.{n}" for n in (1, 2, 3, 66, 67, 99))
SIP, HTTP, PROVIDER = 5060, 8080, 9000
FIRST, LAST = 40000, 40399
CALLS = 20
GATEWAY = Path(sys.executable).parent / "gateway"

BAD = {
    "localhost": "c=IN IP4 localhost",
    "a name that is none": "c=IN IP4 no.such.host.invalid",
    "IPv6": "c=IN IP6 ::1",
    "127.1": "c=IN IP4 127.1",
    "010.0.0.1": "c=IN IP4 010.0.0.1",
    "multicast": "c=IN IP4 224.2.2.2/127",
    "broadcast": "c=IN IP4 255.255.255.255",
    "0.0.0.1": "c=IN IP4 0.0.0.1",
    "our own SIP port": f"c=IN IP4 {NODE}",
    "a=rtcp at a name": "c=IN IP4 {host}\r\na=rtcp:39001 IN IP4 localhost",
    "a=rtcp at IPv6": "c=IN IP4 {host}\r\na=rtcp:39001 IN IP6 ::1",
    "port 65535": "c=IN IP4 {host}",
}


def sdp(name: str) -> str:
    port = {"our own SIP port": str(SIP), "port 65535": "65535"}.get(name, "{port}")
    connection, _, attribute = BAD[name].partition("\r\na=")
    more = f"a={attribute}\r\n" if attribute else ""
    return (
        f"v=0\r\no=caller 1 1 IN IP4 {{host}}\r\ns=-\r\n{connection}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n{more}"
    )


# the place where it happens


def enter_namespace() -> None:
    """A network of our own, with nothing but loopback and the addresses above."""
    if ctypes.CDLL(None, use_errno=True).unshare(0x40000000):  # CLONE_NEWNET
        sys.exit("it needs root, and a kernel with network namespaces")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for host in (NODE, CARRIER, PHONES, STRANGER, THIEF, VICTIM):
        subprocess.run(["ip", "addr", "add", f"{host}/32", "dev", "lo"], check=True)


def config(folder: Path, name: str, **sip: Any) -> Path:
    trunks = [] if sip.pop("no_trunks", False) else [
        {"name": "carrier", "peers": [CARRIER]},
        {"name": "phones", "users": [{"username": one, "password_env": "PASSWORD"} for one in ("ann", "ben")]},
    ]  # fmt: skip
    (folder / "agents").mkdir(exist_ok=True)
    (folder / "agents" / "bob.yaml").write_text("provider: stub\n")
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps({
        "sip": {"host": "0.0.0.0", "port": SIP, **sip}, "http": {"port": HTTP},
        "media": {"first_port": FIRST, "last_port": LAST}, "agents": "agents", "trunks": trunks,
        "providers": {"stub": {"url": f"ws://127.0.0.1:{PROVIDER}/v1/realtime", "key_env": "PASSWORD"}},
        "routes": [{"called": "*", "agent": "bob"}],
    }))  # fmt: skip
    return path


class Node:
    """`with Node(config)`: a gateway in a process of its own, whose log is kept."""

    def __init__(self, config: Path, descriptors: tuple[int, int] | None = None) -> None:
        self._config, self._descriptors = config, descriptors
        self.log_path = config.with_suffix(".log")

    def __enter__(self) -> Node:
        limit: Callable[[], None] = lambda: None  # noqa: E731
        if self._descriptors:
            limits = self._descriptors
            limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limits)  # noqa: E731
        self.process = subprocess.Popen(
            [GATEWAY, "serve", "-c", self._config], stderr=self.log_path.open("wb"), stdout=subprocess.DEVNULL,
            env={**os.environ, "PASSWORD": "secret"}, preexec_fn=limit, start_new_session=True,
        )  # fmt: skip
        for _ in range(300):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{HTTP}/ready", timeout=2)
                return self
            time.sleep(0.1)
        raise TimeoutError(self.log_path.read_text()[-2000:])

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(20)

    def api(self, path: str, method: str = "GET") -> Any:
        with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{HTTP}{path}", method=method)) as answer:
            return json.loads(answer.read())

    def metric(self, name: str) -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{HTTP}/metrics") as answer:
            found = re.search(rf"^{name} ([\d.e+]+)$", answer.read().decode(), re.MULTILINE)
        return float(found[1]) if found else 0.0

    @property
    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def log(self) -> Counter[str]:
        lines = [json.loads(line) for line in self.log_path.read_text().splitlines() if line.startswith("{")]
        return Counter(f"{line['level']} {line['event']}" for line in lines if line["level"] != "info")


class Live:
    """Calls of the carrier's that talk all the time; what they hear must have no hole."""

    def __init__(self) -> None:
        self.callers = [Caller(SIP, host=CARRIER, server=NODE) for _ in range(CALLS)]
        self._talking: list[asyncio.Task[None]] = []

    async def begin(self) -> list[int]:
        statuses = []
        for caller in self.callers:
            await caller.__aenter__()
            statuses.append(await caller.invite())
            self._talking.append(asyncio.create_task(caller.silence(3600)))
        return statuses

    def lost(self) -> tuple[int, int, float]:
        """Calls that ended, packets that are missing, and the longest time between two in ms."""
        ended = sum(caller.over.is_set() for caller in self.callers)
        missing, longest = 0, 0.0
        for caller in self.callers:
            for one, other in itertools.pairwise(caller.packets):
                missing += (other.sequence - one.sequence - 1) & 0xFFFF
                longest = max(longest, other.at - one.at)
        return ended, missing, longest * 1000

    async def end(self) -> None:
        for task in self._talking:
            task.cancel()
        for caller in self.callers:
            caller.bye()
        await asyncio.sleep(0.5)
        for caller in self.callers:
            await caller.__aexit__()


# the attacks


async def addresses(live: Live) -> str:
    """A1: INVITEs and re-INVITEs with addresses that the socket cannot send to."""
    statuses: Counter[str] = Counter()
    for _ in range(25):
        callers = [Caller(SIP, host=CARRIER, server=NODE, sdp=sdp(name), keep=False) for name in BAD]
        for caller in callers:
            await caller.__aenter__()
        found = await asyncio.gather(*(caller.invite() for caller in callers))
        for name, status, caller in zip(BAD, found, callers, strict=True):
            statuses[f"{name} {status}"] += 1
            if status == 200:
                caller.bye()
        await asyncio.sleep(0.1)
        for caller in callers:
            await caller.__aexit__()
    for caller, name in zip(live.callers, BAD, strict=False):
        body = sdp(name).format(port=caller.rtp_port, host=CARRIER)
        if name not in ("a=rtcp at a name", "a=rtcp at IPv6", "port 65535", "localhost"):  # those would move its media
            caller.send("INVITE", next(caller._cseq), secrets.token_hex(8), body)
    await asyncio.sleep(1)
    return ", ".join(f"{name}: {count}" for name, count in sorted(statuses.items()))


async def thief() -> str:
    """A2: RTP to every port before and during a call, and a call in a victim's name."""
    loop = asyncio.get_running_loop()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two,
    ):
        one.bind((THIEF, 0))
        two.bind((VICTIM, 0))
        one.setblocking(False)
        two.setblocking(False)
        stop = asyncio.Event()

        async def steal() -> None:
            for number in itertools.count():
                head = b"\x80\0" + (number & 0xFFFF).to_bytes(2, "big") + bytes(8)
                for port in range(FIRST, LAST, 2):
                    with contextlib.suppress(BlockingIOError):
                        one.sendto(head + b"\x10" * 160, (NODE, port))
                await asyncio.sleep(0.02)
                if stop.is_set():
                    return

        stealing = asyncio.create_task(steal())
        await asyncio.sleep(0.2)
        robbed = Caller(SIP, host=CARRIER, server=NODE)
        async with robbed:
            status = await robbed.invite()
            await asyncio.sleep(0.5)  # five packets of the thief's come long before the caller's first
            await robbed.silence(2)
            heard = len(robbed.packets)
            robbed.bye()
        stop.set()
        await stealing
        stolen = sum(1 for _ in drained(one))
        port = two.getsockname()[1]
        words = f"v=0\r\no=x 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 {VICTIM}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
        reflector = Caller(SIP, host=CARRIER, server=NODE, sdp=words)
        async with reflector:
            await reflector.invite()
            began = loop.time()
            await asyncio.sleep(4)
            flooded = sum(1 for _ in drained(two))
            reflector.bye()
            seconds = loop.time() - began
    return (
        f"call {status}, which heard {heard} packets in 2.5 s while the thief got {stolen}; "
        f"the victim got {flooded} packets in {seconds:.0f} s"
    )


def drained(one: socket.socket) -> Any:
    with contextlib.suppress(BlockingIOError):
        while True:
            yield one.recv(4096)


async def connections(node: Node) -> str:
    """A4: as many TCP connections as one stranger can make, and HTTP requests that stay half."""
    opened = []
    for _ in range(2500):
        one = socket.socket()
        one.setblocking(False)
        one.bind((STRANGER, 0))
        with contextlib.suppress(BlockingIOError):
            one.connect((NODE, SIP))
        opened.append(one)
        if len(opened) % 100 == 0:
            await asyncio.sleep(0.02)
    halves = []
    for _ in range(500):
        half = socket.socket()
        half.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            half.connect(("127.0.0.1", HTTP))
        halves.append(half)
    await asyncio.sleep(0.5)
    for half in halves:
        with contextlib.suppress(OSError):
            half.send(b"GET /v1/calls HTTP/1.1\r\nHost: x\r\n")
    await asyncio.sleep(0.5)
    during = node.descriptors
    reader, writer = await asyncio.open_connection(NODE, SIP, local_addr=(CARRIER, 0))
    writer.write(
        f"OPTIONS sip:x@{NODE} SIP/2.0\r\nVia: SIP/2.0/TCP {CARRIER};branch=z9hG4bKo;rport\r\nFrom: <sip:c@h>;tag=1\r\n"
        f"To: <sip:x@h>\r\nCall-ID: tcp\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n".encode()
    )
    answer = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    await asyncio.sleep(17)  # half requests have 15 s
    after = node.descriptors
    for one in (*opened, *halves):
        one.close()
    return (
        f"{during} descriptors meanwhile, {after} after 17 s; the carrier's OPTIONS by TCP: {answer.decode().strip()}"
    )


class Phone:
    """One that logs in, by UDP."""

    def __init__(self, user: str, password: str = "secret", host: str = PHONES) -> None:
        self.user, self.host = user, host
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.setblocking(False)
        self.login = Login(Credentials(user, password))
        self.id, self.tag, self.cseq, self.to = secrets.token_hex(6), secrets.token_hex(3), itertools.count(1), ""

    async def ask(
        self, method: str, body: str = "", to_tag: str = "", tries: int = 2, wait: float = 1.5
    ) -> Response | None:
        """The last answer that is no 100; a challenge is answered."""
        answer = None
        for _ in range(tries):
            port, number = self.socket.getsockname()[1], next(self.cseq)
            user = "x" if method != "REGISTER" else self.user
            content = "Content-Type: application/sdp\r\n" if body else ""
            tag = f";tag={to_tag}" if to_tag else ""
            request = parse((
                f"{method} sip:{user}@{NODE} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {self.host}:{port};branch=z9hG4bK{secrets.token_hex(6)};rport\r\n"
                f"From: <sip:{self.user}@{NODE}>;tag={self.tag}\r\n"
                    f"To: <sip:{user}@{NODE}>{tag}\r\nCall-ID: {self.id}\r\n"
                f"CSeq: {number} {method}\r\nContact: <sip:{self.user}@{self.host}:{port}>\r\nExpires: 300\r\n"
                f"{content}Content-Length: {len(body)}\r\n\r\n{body}"
            ).encode())  # fmt: skip
            assert isinstance(request, Request)
            self.login.sign(request)
            self.socket.sendto(request.serialize(), (NODE, SIP))
            answer = await self._answer(number, wait)
            if answer is None or answer.status not in (401, 407) or not self.login.take(answer, request):
                return answer
            if method == "INVITE":
                self.acknowledge(number, answer)
        return answer

    def acknowledge(self, number: int, answer: Response) -> None:
        port = self.socket.getsockname()[1]
        self.socket.sendto((
            f"ACK sip:x@{NODE} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self.host}:{port};branch=z9hG4bK{secrets.token_hex(6)};rport\r\n"
            f"From: <sip:{self.user}@{NODE}>;tag={self.tag}\r\nTo: {answer.to}\r\nCall-ID: {self.id}\r\n"
            f"CSeq: {number} ACK\r\nContent-Length: 0\r\n\r\n"
        ).encode(), (NODE, SIP))  # fmt: skip

    async def _answer(self, number: int, wait: float) -> Response | None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                while True:
                    data = await asyncio.get_running_loop().sock_recv(self.socket, 65535)
                    message = parse(data)
                    if isinstance(message, Response) and message.status >= 180 and message.cseq.number == number:
                        if message.status == 180:
                            continue
                        return message
        return None


async def passwords(node: Node) -> str:
    """A5: wrong passwords from an office, and packets in its name; a telephone there is in a call."""
    ann, ben = Phone("ann"), Phone("ben", "wrong")
    registered = await ann.ask("REGISTER")
    words = f"v=0\r\no=x 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 {PHONES}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
    ann.id = secrets.token_hex(6)
    answered = await ann.ask("INVITE", words)
    assert answered is not None
    ann.acknowledge(answered.cseq.number, answered)
    for _ in range(12):
        await ben.ask("REGISTER", wait=0.3)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as spoofer:
        spoofer.bind((PHONES, 0))
        for _ in range(2000):
            spoofer.sendto(b"INVITE garbage\r\n\r\n", (NODE, SIP))
        await asyncio.sleep(0.5)
    bans = [f"{one['address']} {one['account']}".strip() for one in node.api("/v1/bans")["data"]]
    tag = answered.to.tag
    again = await ann.ask("INVITE", words, tag)
    if again and again.status == 200:
        ann.acknowledge(again.cseq.number, again)
    bye = await ann.ask("BYE", to_tag=tag)
    other = await Phone("ann").ask("REGISTER")
    shut = await Phone("ben").ask("REGISTER", wait=0.5)
    lifted = node.api(f"/v1/bans/{PHONES}?account=ben", "DELETE")["lifted"]
    right = await Phone("ben").ask("REGISTER")

    def status(answer: Response | None) -> str:
        return str(answer.status) if answer else "no answer"

    return (
        f"registered {status(registered)}, call {status(answered)}; banned: {bans}; re-INVITE {status(again)}, BYE "
        f"{status(bye)}, another telephone {status(other)}, the guessed account {status(shut)}, after lifting {lifted} "
        f"ban with the right password {status(right)}"
    )


async def strangers(folder: Path) -> str:
    """A3: a node without trunks that listens everywhere."""
    found = []
    for name, fields in (("closed", {}), ("open", {"open": True, "calls_per_second": 5})):
        with Node(config(folder, name, no_trunks=True, **fields)) as node:
            statuses: Counter[int] = Counter()
            for _ in range(30):
                async with Caller(SIP, host=STRANGER, server=NODE, keep=False) as caller:
                    try:
                        statuses[await caller.invite(1.0)] += 1
                    except TimeoutError:
                        statuses[0] += 1
                    caller.bye()
            warned = [event for event in node.log() if "open_to_all" in event]
            found.append(f"{name}: {dict(statuses)}, {warned}")
    return "; ".join(found)


async def descriptors(folder: Path) -> str:
    """A4: a process that may open few files."""
    found = []
    for limits in ((1024, 4096), (200, 200)):
        with Node(config(folder, f"few{limits[1]}"), limits) as node:
            callers, statuses = [], Counter[int]()
            for _ in range(60):
                caller = Caller(SIP, host=CARRIER, server=NODE, keep=False)
                await caller.__aenter__()
                statuses[await caller.invite()] += 1
                callers.append(caller)
            soft = Path(f"/proc/{node.process.pid}/limits").read_text()
            now = re.search(r"Max open files\s+(\d+)", soft)
            found.append(f"{limits}: limit is {now and now[1]}, 60 INVITEs {dict(statuses)}")
            for caller in callers:
                caller.bye()
            await asyncio.sleep(0.5)
            for caller in callers:
                await caller.__aexit__()
    return "; ".join(found)


async def attack() -> int:
    """Prints the whole; how many calls were lost."""
    folder = Path(tempfile.mkdtemp(prefix="gateway-attack-"))
    provider = subprocess.Popen([sys.executable, "-m", "tests.stub", str(PROVIDER)], cwd=Path(__file__).parent.parent)
    ended = CALLS
    try:
        await asyncio.sleep(1)
        with Node(config(folder, "node")) as node:
            live = Live()
            statuses = await live.begin()
            await asyncio.sleep(1)
            before = node.descriptors, node.metric("gateway_media_ports_free"), node.metric("gateway_calls_live")
            print(f"{CALLS} live calls: {dict(Counter(statuses))}")
            for name, one in (
                ("A1 addresses", addresses(live)), ("A2 RTP", thief()), ("A4 connections", connections(node)),
                ("A5 passwords", passwords(node)),
            ):  # fmt: skip
                print(f"{name}: {await one}", flush=True)
            await asyncio.sleep(33)  # ports rest for 30 s, connections of strangers are closed after 32
            after = node.descriptors, node.metric("gateway_media_ports_free"), node.metric("gateway_calls_live")
            ended, missing, longest = live.lost()
            print(f"live calls: {ended} ended, {missing} packets missing, longest time between two {longest:.0f} ms")
            print(f"descriptors, free ports, live calls: before {before}, after {after}")
            print(f"leaked: {node.metric('gateway_leaked_total'):.0f}; log: {dict(node.log())}")
            await live.end()
        print(f"A3 strangers: {await strangers(folder)}")
        print(f"A4 descriptors: {await descriptors(folder)}")
    finally:
        provider.terminate()
        provider.wait()
        shutil.rmtree(folder, ignore_errors=True)
    return ended


if __name__ == "__main__":
    enter_namespace()
    sys.exit(asyncio.run(attack()))
