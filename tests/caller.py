"""A telephone for tests and load: plain SIP over UDP, and every RTP packet kept with the time it came."""

from __future__ import annotations

import asyncio
import itertools
import re
import secrets
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.codecs import g711

SDP = (
    "v=0\r\no=caller 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)
FRAME = 160


class Packet(NamedTuple):
    """One RTP packet as it came: `at` in s on the loop's clock."""

    at: float
    marker: bool
    payload_type: int
    sequence: int
    timestamp: int
    payload: bytes

    @property
    def silent(self) -> bool:
        return not self.payload.strip(b"\xff\x7f")


class _Socket(asyncio.DatagramProtocol):
    def __init__(self, received: Callable[[bytes, tuple[str, int]], None]) -> None:
        self._received = received

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._received(data, addr)


async def _socket(
    received: Callable[[bytes, tuple[str, int]], None], host: str
) -> tuple[asyncio.DatagramTransport, int]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Socket(received), (host, 0))
    return transport, transport.get_extra_info("sockname")[1]


@dataclass
class Caller:
    """`async with Caller(port) as call: await call.invite()`. `requests` is what the peer asked of us."""

    port: int
    user: str = "reception"
    sdp: str = SDP
    keep: bool = True  # every packet; else only their number
    packets: list[Packet] = field(default_factory=list)
    count: int = 0
    provisional: list[int] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    refer_status: int = 202
    headers: str = ""  # more lines for the INVITE
    host: str = "127.0.0.1"  # its own
    final: str = ""  # the answer to its INVITE
    server: str = "127.0.0.1"

    async def __aenter__(self) -> Caller:
        self._sip, self.sip_port = await _socket(self._message, self.host)
        self._rtp, self.rtp_port = await _socket(self._packet, self.host)
        self._id, self._tag = secrets.token_hex(8), secrets.token_hex(4)
        self._cseq = itertools.count(1)
        self._target = f"sip:{self.user}@{self.server}:{self.port}"
        self._to, self._routes = f"<{self._target}>", ""
        self._final: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
        self._media: tuple[str, int] | None = None
        self._stream = [secrets.randbits(16), secrets.randbits(32), secrets.randbits(32)]  # sequence, timestamp, SSRC
        return self

    async def __aexit__(self, *_: object) -> None:
        self._sip.close()
        self._rtp.close()

    # signalling

    def send(self, method: str, cseq: int, branch: str, body: str = "", extra: str = "") -> None:
        kind = "application/sdp" if "v=0" in body else "message/sipfrag"
        content = f"Content-Type: {kind}\r\n" if body else ""
        self.send_raw(
            f"{method} {self._target} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self.host}:{self.sip_port};branch=z9hG4bK{branch};rport\r\n"
            f"From: <sip:caller@{self.host}>;tag={self._tag}\r\nTo: {self._to}\r\nCall-ID: {self._id}\r\n"
            f"CSeq: {cseq} {method}\r\nMax-Forwards: 70\r\nContact: <sip:caller@{self.host}:{self.sip_port}>\r\n"
            f"{self._routes}{extra}{content}Content-Length: {len(body)}\r\n\r\n{body}"
        )

    def send_raw(self, text: str | bytes) -> None:
        self._sip.sendto(text if isinstance(text, bytes) else text.encode(), (self.server, self.port))

    async def invite(self, seconds: float = 20) -> int:
        """The final status; a 200 is acknowledged."""
        self._invite_branch = secrets.token_hex(8)
        cseq = next(self._cseq)
        self.send(
            "INVITE", cseq, self._invite_branch, self.sdp.format(port=self.rtp_port, host=self.host), self.headers
        )
        async with asyncio.timeout(seconds):
            status, text = await self._final
        if status < 300:
            self.acknowledge(cseq, text)
        else:
            self.send("ACK", cseq, self._invite_branch)
        return status

    def acknowledge(self, cseq: int, text: str) -> None:
        media = re.search(r"m=audio (\d+)", text)
        self._media = (self.server, int(media[1])) if media else None
        if contact := re.search(r"Contact: <([^>]+)>", text):
            self._target = contact[1]
        routes = re.findall(r"Record-Route: (.*)\r\n", text)
        self._routes = "".join(f"Route: {route}\r\n" for route in reversed(routes))
        self.send("ACK", cseq, secrets.token_hex(8))

    def cancel(self) -> None:
        self.send("CANCEL", 1, self._invite_branch)

    @property
    def dialog(self) -> str:
        """As a Replaces header names it to the gateway."""
        to_tag = (re.search(r"tag=([^;>]+)", self._to) or ["", ""])[1]
        return f"{self._id};to-tag={to_tag};from-tag={self._tag}"

    def reoffer(self, direction: str) -> None:
        """Hold the gateway (sendonly, inactive), or take it back (sendrecv)."""
        body = self.sdp.format(port=self.rtp_port, host=self.host) + f"a={direction}\r\n"
        self.send("INVITE", next(self._cseq), secrets.token_hex(8), body)

    def bye(self) -> None:
        self.send("BYE", next(self._cseq), secrets.token_hex(8))

    def refer(self, target: str) -> None:
        self.send("REFER", next(self._cseq), secrets.token_hex(8), extra=f"Refer-To: <{target}>\r\n")

    def notify(self, line: str, state: str = "terminated") -> None:
        extra = f"Event: refer\r\nSubscription-State: {state}\r\n"
        self.send("NOTIFY", next(self._cseq), secrets.token_hex(8), line, extra)

    def _message(self, data: bytes, _: tuple[str, int]) -> None:
        if data[:1] >= b"\x80":  # RTP on its way to whoever had this port before
            return
        text = data.decode()
        head = text.split("\r\n", 1)[0]
        if not text.startswith("SIP/2.0"):
            self._answer(head.split()[0], text)
            return
        status = int(head.split()[1])
        if "INVITE" not in (re.search(r"CSeq: \d+ (\w+)", text) or [""])[0]:
            return
        if status < 200:
            self.provisional.append(status)
            if media := re.search(r"m=audio (\d+)", text):
                self._media = (self.server, int(media[1]))
        elif not self._final.done():
            self._to = (re.search(r"To: (.*)", text) or ["", self._to])[1].strip()
            self.final = text
            self._final.set_result((status, text))
        elif status < 300:  # to a later offer
            self.acknowledge(int((re.search(r"CSeq: (\d+)", text) or ["", "0"])[1]), text)

    def _answer(self, method: str, text: str) -> None:
        self.requests.append(text)
        status = f"{self.refer_status} Whatever" if method == "REFER" else "200 OK"
        kept = [line for line in text.split("\r\n") if re.match(r"(Via|From|To|Call-ID|CSeq):", line)]
        contact = f"Contact: <sip:caller@{self.host}:{self.sip_port}>"
        body = ""
        if method == "INVITE":  # held or resumed: answered in kind
            body = self.sdp.format(port=self.rtp_port, host=self.host) + (
                "a=recvonly\r\n" if "a=sendonly" in text else ""
            )
            contact += "\r\nContent-Type: application/sdp"
        elif method == "ACK":
            return
        self.send_raw("\r\n".join([f"SIP/2.0 {status}", *kept, contact, f"Content-Length: {len(body)}", "", body]))
        if method == "BYE":
            self.over.set()

    # media

    def _packet(self, data: bytes, _: tuple[str, int]) -> None:
        self.count += 1
        if self.keep:
            _, kind, sequence, timestamp, _ = struct.unpack("!BBHII", data[:12])
            now = asyncio.get_running_loop().time()
            self.packets.append(Packet(now, kind >> 7 == 1, kind & 127, sequence, timestamp, data[12:]))

    def send_rtp(self, payload: bytes, payload_type: int = 0) -> None:
        """The next packet of 20 ms."""
        self.send_garbage(self.next_rtp(payload, payload_type))

    def next_rtp(self, payload: bytes, payload_type: int = 0) -> bytes:
        sequence, timestamp, ssrc = self._stream
        self._stream[0] = sequence + 1 & 0xFFFF
        self._stream[1] = timestamp + FRAME & 0xFFFFFFFF
        return struct.pack("!BBHII", 0x80, payload_type, sequence, timestamp, ssrc) + payload

    def send_garbage(self, data: bytes) -> None:
        if self._media:
            self._rtp.sendto(data, self._media)

    async def talk(self, samples: NDArray[np.int16]) -> None:
        """Send int16 at 8 kHz in real time."""
        codes = g711.encode(g711.ULAW, samples).tobytes()
        due = asyncio.get_running_loop().time()
        for at in range(0, len(codes) - FRAME + 1, FRAME):
            self.send_rtp(codes[at : at + FRAME])
            due += 0.02
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))

    async def silence(self, seconds: float) -> None:
        await self.talk(np.zeros(int(8000 * seconds) // FRAME * FRAME, np.int16))

    async def until_quiet(self, seconds: float = 0.8, patience: float = 15) -> None:
        """Be silent until the agent has spoken and then been silent for so long."""
        loop, began = asyncio.get_running_loop(), asyncio.get_running_loop().time()
        first = len(self.packets)
        while loop.time() - began < patience:
            await self.silence(0.1)
            spoken = [packet for packet in self.packets[first:] if not packet.silent]
            if spoken and loop.time() - spoken[-1].at > seconds:
                return
        raise TimeoutError("the agent did not speak, or did not stop")


def last_loud_ms(samples: NDArray[np.int16], hz: int) -> float:
    """Where the last sample stands that is more than the noise of coding."""
    return float(np.flatnonzero(np.abs(samples.astype(int)) > 200)[-1]) / hz * 1000


def heard_ms(packets: list[Packet]) -> float:
    """How much of the speech that begins with the first marker came, up to its last loud sample."""
    start = next(index for index, packet in enumerate(packets) if packet.marker)
    codes = np.frombuffer(b"".join(packet.payload for packet in packets[start:]), np.uint8)
    return last_loud_ms(g711.decode(g711.ULAW, codes), 8000)
