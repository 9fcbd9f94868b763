"""A party that came by SIP: its signalling and its RTP as one `Leg`. Here SDP becomes an RTP session."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.bridge.playout import Playout
from gateway.bridge.uplink import Uplink
from gateway.codecs import CODECS, DOWN, Codec, g711
from gateway.errors import SdpError
from gateway.realtime import Heard
from gateway.rtp import Gap, MediaSettings, PortPool, RtpSession, Srtp, open_session
from gateway.sip import (
    Agreed,
    AudioFormat,
    Callee,
    LocalMedia,
    Reoffered,
    UserAgent,
    accept_answer,
    make_answer,
    make_offer,
    parse_sdp,
)

FRAME = 480  # samples of 20 ms at 24 kHz
_VERSION = re.compile(rb"^o=.*\r\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class LegEvents:
    """Who wants to know."""

    digit: Callable[[str], None]
    drained: Callable[[], None]  # all that was to be played has left
    unheard: Callable[[str], None]  # no packet has come for too long; what was promised and what came instead


class SipLeg:
    """Made by `open_leg`; implements `gateway.bridge.leg.Leg`, and the RTP session's `Sink`."""

    def __init__(
        self, user_agent: UserAgent, session: Callee, codecs: tuple[Codec, ...], uplink: Uplink, srtp: str = "off"
    ) -> None:
        self._user_agent, self._session = user_agent, session
        self._uplink = uplink
        self._answer = b""
        self._agreed: Agreed | None = None
        self._talking = False
        self._timeout_ms = 0.0
        self.events: LegEvents | None = None
        self.rtp: RtpSession | None = None
        self.playout = Playout()
        self.law = codecs[0].law
        self.history: NDArray[np.int16] = np.zeros(DOWN.context, np.int16)
        self.local = LocalMedia(
            host=user_agent.local_host(session),
            port=9,
            formats=tuple(AudioFormat(one.name, one.clock_hz, one.payload_type) for one in codecs),
            session_id=secrets.randbits(31),
            srtp=srtp,
            srtp_key=secrets.token_bytes(30),
        )

    def __str__(self) -> str:
        heard = self._agreed.format.name if self._agreed else "no media yet"
        return f"{self._session}; {self.rtp}; {heard}"

    # signalling

    def negotiate(self) -> None:
        """Read the INVITE's offer. Raises SdpError, NoCommonCodec."""
        if self._session.offer:
            self._answer, self._agreed = make_answer(parse_sdp(self._session.offer), self.local)
        else:
            self._answer = make_offer(self.local)

    def take_answer(self, body: bytes) -> None:
        """The ACK's SDP, where the offer was ours. Raises SdpError, NoCommonCodec."""
        if self._agreed is None:
            if not body:
                raise SdpError("the ACK holds no answer to our offer")
            self._agreed = accept_answer(parse_sdp(body), self.local)
            self._apply(self._agreed)

    def reoffered(self, event: Reoffered) -> None:
        """A re-INVITE: codec, address or direction may change. Raises SdpError, NoCommonCodec; nothing has changed."""
        answer, agreed = self._describe(event.body)
        if _VERSION.sub(b"", answer) != _VERSION.sub(b"", self._answer):  # the version counts changes (RFC 3264, 8)
            self.local = replace(self.local, version=self.local.version + 1)
            answer, agreed = self._describe(event.body)
        self._answer = answer
        self._user_agent.act(lambda now: self._session.answer(answer, now))
        if agreed:
            self._agreed = agreed
            self._apply(agreed)

    def _describe(self, offer: bytes) -> tuple[bytes, Agreed | None]:
        """The answer to `offer`; where there is none, an offer of ours, which the ACK will answer."""
        return make_answer(parse_sdp(offer), self.local) if offer else (make_offer(self.local), None)

    def reanswered(self, body: bytes) -> None:
        """The ACK's answer to the offer that a re-INVITE asked for. Raises SdpError, NoCommonCodec."""
        self._agreed = accept_answer(parse_sdp(body), self.local)
        self._apply(self._agreed)

    def _apply(self, agreed: Agreed) -> None:
        codec = CODECS[agreed.format.name]
        self.law = codec.law
        self._uplink.use(codec)
        if self.rtp:
            self.rtp.update(
                agreed.format.payload_type, agreed.dtmf_payload_type, agreed.remote, agreed.send, self._srtp(agreed)
            )

    def _srtp(self, agreed: Agreed) -> Srtp | None:
        """The one in use as long as the peer's key stays: its counters must not start anew."""
        crypto, current = agreed.crypto, self.rtp.srtp if self.rtp else None
        if crypto is None:
            return None
        if current and (current.suite, current.remote_key) == (crypto.suite, crypto.key):
            return current
        return Srtp(crypto.suite, self.local.srtp_key, crypto.key)

    # Leg

    @property
    def silent(self) -> bool:
        return self.playout.empty

    def ring(self) -> None:
        self._user_agent.act(self._session.ring)

    def answer(self) -> None:
        if self._agreed:
            self._apply(self._agreed)
        self._user_agent.act(lambda now: self._session.answer(self._answer, now))

    def reject(self, status: int, headers: dict[str, str]) -> None:
        self._user_agent.act(lambda now: self._session.reject(status, now, headers=headers))

    def hang_up(self, reason: str) -> None:
        header = f'SIP;cause=200;text="{reason}"'
        self._user_agent.act(lambda now: self._session.bye(now, header))

    def transfer(self, target: str) -> bool:
        asked = []
        self._user_agent.act(lambda now: asked.append(self._session.refer(target, now)))
        return asked != [None]

    def play(self, item_id: str, content_index: int, audio: bytes) -> None:
        self.playout.put(item_id, content_index, audio)

    def flush(self) -> list[Heard]:
        return self.playout.flush()

    def deafen(self, deaf: bool) -> None:
        self._uplink.deaf = deaf

    def close(self) -> None:
        if self.rtp:
            self.rtp.close()

    def stats(self) -> dict[str, Any]:
        codec = {"codec": self._agreed.format.name} if self._agreed else {}
        return {**codec, **(self.rtp.stats() if self.rtp else {})}

    # media clock

    def send(self, payload: bytes, talking: bool) -> None:
        """One frame of 20 ms, coded."""
        if self.rtp is None:
            return
        self.rtp.send(payload, talking)
        self.rtp.expire()
        self._uplink.tick()
        if 0 < self._timeout_ms < self._uplink.quiet_ms:
            self._check_silence()
        if self._talking and not talking and self.events:
            self.events.drained()
        self._talking = talking

    def _check_silence(self) -> None:
        agreed = self._agreed
        if self.events is None or agreed is None or not (agreed.send and agreed.receive):
            return  # held: silence is what was agreed on
        seconds, self._timeout_ms = self._timeout_ms / 1000, 0.0  # told once
        promised = f"{agreed.remote[0]}:{agreed.remote[1]}"
        self.events.unheard(f"no RTP for {seconds:g} s: its SDP promised it from {promised}; {self.rtp}")

    # Sink

    def audio(self, payload: bytes) -> None:
        self._uplink.audio(payload)

    def gap(self, gap: Gap) -> None:
        self._uplink.gap(gap)

    def digit(self, digit: str) -> None:
        if self.events:
            self.events.digit(digit)


async def open_leg(
    user_agent: UserAgent,
    session: Callee,
    codecs: tuple[Codec, ...],
    uplink: Uplink,
    media: MediaSettings,
    ports: PortPool,
    srtp: str,
) -> SipLeg:
    """Raises SdpError and NoCommonCodec, which cost no port, and NoMediaPort."""
    leg = SipLeg(user_agent, session, codecs, uplink, srtp)
    leg.negotiate()
    leg.rtp = await open_session(media, ports, leg)
    leg.local = replace(leg.local, port=leg.rtp.port)
    leg._timeout_ms = media.timeout_seconds * 1000
    leg.negotiate()
    return leg


def render(due: list[SipLeg]) -> None:
    """Send one frame of each: those with speech go through resampling and companding together."""
    talking, frames = [], []
    for leg in due:
        frame = leg.playout.take(FRAME)
        if frame is None and not leg.history.any():
            leg.send(_silence(leg.law), False)
        else:
            frames.append(np.zeros(FRAME, np.int16) if frame is None else frame)
            talking.append((leg, frame is not None))
    if not talking:
        return
    block = np.empty((len(talking), DOWN.context + FRAME), np.float32)
    for row, ((leg, _), frame) in enumerate(zip(talking, frames, strict=True)):
        block[row, : DOWN.context] = leg.history
        block[row, DOWN.context :] = frame
        leg.history = frame[-DOWN.context :]
    converted = DOWN.convert(block)
    for (leg, speaks), samples in zip(talking, converted, strict=True):
        leg.send(g711.encode(leg.law, samples).tobytes(), speaks)


def _silence(law: g711.Law) -> bytes:
    return bytes([law.silence]) * 160
