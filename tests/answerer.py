"""A telephone that is called, for tests: plain SIP over UDP, one call, whatever SDP a test wants."""

from __future__ import annotations

import asyncio
import re
import socket

import numpy as np
from numpy.typing import NDArray

from gateway.codecs import g711

SDP = (
    "v=0\r\no=called 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)


class Answerer:
    """`with Answerer() as phone: await phone.invited(); phone.respond(200, SDP)`."""

    def __enter__(self) -> Answerer:
        self._sip, self._rtp = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        for one in (self._sip, self._rtp):
            one.bind(("127.0.0.1", 0))
            one.setblocking(False)
        self.port, self.rtp_port = self._sip.getsockname()[1], self._rtp.getsockname()[1]
        self.requests: list[str] = []
        self._number = 0
        return self

    def __exit__(self, *_: object) -> None:
        self._sip.close()
        self._rtp.close()

    async def next(self, method: str) -> str:
        """The next request of that method; others are answered by 200 on the way."""
        while True:
            data, self._peer = await asyncio.get_running_loop().sock_recvfrom(self._sip, 65535)
            text = data.decode()
            self.requests.append(text)
            if text.startswith(method):
                return text
            if text.split(" ")[0] in ("BYE", "OPTIONS"):
                self._send(text, 200)

    async def invited(self) -> str:
        self._invite = await self.next("INVITE")
        media = re.search(r"m=audio (\d+)", self._invite)
        self._media = ("127.0.0.1", int(media[1]) if media else 0)
        return self._invite

    def respond(self, status: int, sdp: str = "") -> None:
        """To the INVITE."""
        self._send(self._invite, status, sdp.format(port=self.rtp_port))

    def bye(self) -> None:
        pick = {name: value for name, value in re.findall(r"(From|To|Call-ID): (.*)\r\n", self._invite)}
        contact = re.search(r"Contact: <([^>]+)>", self._invite)
        self._sip.sendto((
            f"BYE {contact and contact[1]} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bKbye;rport\r\n"
            f"From: {pick['To']};tag=called\r\nTo: {pick['From']}\r\nCall-ID: {pick['Call-ID']}\r\nCSeq: 9 BYE\r\n"
            "Content-Length: 0\r\n\r\n"
        ).encode(), self._peer)  # fmt: skip

    def _send(self, request: str, status: int, body: str = "") -> None:
        kept = [line for line in request.split("\r\n") if re.match(r"(Via|From|Call-ID|CSeq|Record-Route):", line)]
        to = re.search(r"To: (.*)\r\n", request)
        tag = "" if to and "tag=" in to[1] else ";tag=called"
        lines = [f"SIP/2.0 {status} Whatever", *kept, f"To: {to and to[1]}{tag}"]
        lines += [f"Contact: <sip:called@127.0.0.1:{self.port}>"]
        lines += ["Content-Type: application/sdp"] if body else []
        lines += [f"Content-Length: {len(body)}", "", body]
        self._sip.sendto("\r\n".join(lines).encode(), self._peer)

    async def talk(self, samples: NDArray[np.int16]) -> None:
        """int16 at 8 kHz, in real time."""
        codes = g711.encode(g711.ULAW, samples).tobytes()
        for at in range(0, len(codes) - 159, 160):
            self._number += 1
            head = b"\x80\0" + self._number.to_bytes(2, "big") + (self._number * 160).to_bytes(4, "big") + b"abcd"
            self._rtp.sendto(head + codes[at : at + 160], self._media)
            await asyncio.sleep(0.02)
