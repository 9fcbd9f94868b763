"""A party that came by SIP: its signalling and its RTP as one `Leg`. Here SDP becomes an RTP session."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.bridge.leg import Leg, LegEvents
from gateway.bridge.passing import CODED_FRAME, Passing
from gateway.bridge.playout import Playout
from gateway.bridge.recorder import Recorder
from gateway.bridge.uplink import Uplink
from gateway.codecs import CODECS, Codec, comfort_noise, g711, tone
from gateway.errors import SdpError
from gateway.realtime import Heard
from gateway.rtp import Gap, MediaClock, MediaSettings, PortPool, RtpSession, Srtp, Stream, open_session
from gateway.sip import (
    Agreed,
    AudioFormat,
    Callee,
    LocalMedia,
    Order,
    Reoffered,
    Session,
    Trunk,
    UserAgent,
    accept_answer,
    make_answer,
    make_offer,
    parse_sdp,
)

FRAME = 480  # samples of 20 ms at 24 kHz
SILENCE: NDArray[np.int16] = np.zeros(FRAME, np.int16)
NO_MUSIC: NDArray[np.int16] = np.zeros(0, np.int16)
_VERSION = re.compile(rb"^o=.*\r\n", re.MULTILINE)


class SipLeg:
    """Made by `open_leg`; implements `gateway.bridge.leg.Leg`, and the RTP session's `Sink`."""

    def __init__(
        self,
        user_agent: UserAgent,
        codecs: tuple[Codec, ...],
        uplink: Uplink,
        trunk: Trunk | None = None,
        srtp: str = "off",
        music: NDArray[np.int16] = NO_MUSIC,
        ptime_ms: int = 20,
        noise_dbm0: float | None = None,
    ) -> None:
        self._user_agent, self._trunk = user_agent, trunk
        self.session: Session | None = None
        self._uplink, self._music, self._noise_dbm0 = uplink, music, noise_dbm0
        self._tones: NDArray[np.int16] = np.zeros(0, np.int16)  # keys that are pressed within the audio, at 24 kHz
        if trunk and trunk.dtmf == "inband":
            uplink.find_keys(self.digit)
        self._played = 0  # samples of the music, or of the noise
        self.holding = self._told = False  # what is wanted, and what the peer was told
        self._other: SipLeg | None = None
        self._passing = Passing()  # what the other party says
        self._answer = b""
        self._agreed: Agreed | None = None
        self._talking = self._closed = False
        self._timeout_ms = 0.0
        self.events: LegEvents | None = None
        self.rtp: RtpSession | None = None
        self.playout = Playout()
        self._plain: g711.Law | None = None  # what the agent speaks, where that is no PCM
        self.law = codecs[0].law
        self.history: NDArray[np.int16] = SILENCE  # the frame before
        self.clock: MediaClock[SipLeg] | None = None
        self.local = LocalMedia(
            host="",
            port=9,
            formats=tuple(AudioFormat(one.name, one.clock_hz, one.payload_type) for one in codecs),
            session_id=secrets.randbits(31),
            ptime_ms=ptime_ms,
            srtp=srtp,
            srtp_key=secrets.token_bytes(30),
        )

    def __str__(self) -> str:
        heard = self._agreed.format.name if self._agreed else "no media yet"
        return f"{self.session}; {self.rtp}; {heard}"

    # signalling

    def take(self, session: Callee) -> None:
        """Read the INVITE's offer. Raises SdpError, NoCommonCodec."""
        self.session = session
        self.local = replace(self.local, host=session.dialog.flow.local[0])
        if session.offer:
            self._answer, self._agreed = make_answer(parse_sdp(session.offer), self.local)
        else:
            self._answer = make_offer(self.local)

    def call(self, order: Order) -> Session:
        """Send the INVITE. Raises SipParseError, TrunkBusy."""
        self.session = self._user_agent.call(order, self._offer_to)
        return self.session

    def _offer_to(self, host: str) -> bytes:
        self.local = replace(self.local, host=host)
        return make_offer(self.local)

    def answered(self, body: bytes) -> None:
        """The 18x or 2xx to our INVITE; a 2xx may leave out what an 18x has said. Raises SdpError, NoCommonCodec."""
        if body:
            self._agreed = accept_answer(parse_sdp(body), self.local)
        if self._agreed is None:
            raise SdpError("the 200 holds no answer to our offer")
        self._apply(self._agreed)

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
        self._act(lambda session, now: session.answer(answer, now))
        if agreed:
            self._agreed = agreed
            self._apply(agreed)

    def _describe(self, offer: bytes) -> tuple[bytes, Agreed | None]:
        """The answer to `offer`; where there is none, an offer of ours, which the ACK will answer."""
        return make_answer(parse_sdp(offer), self.local) if offer else (make_offer(self.local), None)

    def reanswered(self, body: bytes) -> None:
        """An answer to an offer of ours within the call. Raises SdpError, NoCommonCodec."""
        self._agreed = accept_answer(parse_sdp(body), self.local)
        self._apply(self._agreed)
        self._sync()

    def reoffer_refused(self) -> None:
        """A hold that the peer does not want: it hears the music all the same."""
        self._told = self.holding

    def _act(self, verb: Callable[[Session, float], object]) -> None:
        if self.session:
            session = self.session
            self._user_agent.act(lambda now: verb(session, now))

    def _apply(self, agreed: Agreed) -> None:
        codec = CODECS[agreed.format.name]
        self.law = codec.law
        self._uplink.use(codec)
        self.record(self._uplink.recorder)
        if self.rtp:
            kind, dtmf, rtcp = agreed.format.payload_type, agreed.dtmf_payload_type, agreed.rtcp
            srtp, packet_ms = self._srtp(agreed), agreed.ptime_ms
            self.rtp.update(Stream(kind, dtmf, agreed.remote, agreed.send, srtp, rtcp, agreed.mux, packet_ms))

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

    @property
    def transfers(self) -> str:
        return self._trunk.transfer if self._trunk else "refer"  # who is nobody's peer cannot make us call others

    def ring(self) -> None:
        if isinstance(self.session, Callee):
            self._user_agent.act(self.session.ring)

    def answer(self) -> None:
        if self._agreed:
            self._apply(self._agreed)
        self._act(lambda session, now: session.answer(self._answer, now))

    def reject(self, status: int, headers: dict[str, str]) -> None:
        if isinstance(session := self.session, Callee):
            self._user_agent.act(lambda now: session.reject(status, now, headers=headers))

    def hang_up(self, reason: str) -> None:
        header = f'SIP;cause=200;text="{reason}"'
        self._act(lambda session, now: session.bye(now, header))

    def transfer(self, target: str, replaces: Leg | None = None) -> bool:
        asked: list[object] = []
        other = replaces.session if isinstance(replaces, SipLeg) else None
        self._act(lambda session, now: asked.append(session.refer(target, now, replaces=other)))
        return asked not in ([], [None])

    def tell_referrer(self, status: int) -> None:
        self._act(lambda session, now: session.tell_referrer(status, now))

    @property
    def spoken(self) -> Codec:
        """What was agreed on, or would be ours to choose."""
        return CODECS[(self._agreed.format if self._agreed else self.local.formats[0]).name]

    def pass_on(self, law: g711.Law) -> None:
        """The agent hears and speaks G.711: nothing is resampled."""
        self._plain, self.playout = law, Playout(8000)
        self._uplink.pass_on(law)

    def succeed(self, old: SipLeg, append: Callable[[bytes], None]) -> None:
        """Take the place of `old`: what the agent was saying goes on, and `append` hears this party."""
        self.playout, self.events = old.playout, old.events
        self._uplink.append = append
        self.record(old._uplink.recorder)
        old.record(None)

    def hold(self, on: bool) -> None:
        if on != self.holding:
            self.holding, self._played = on, 0
            self._sync()

    def _sync(self) -> None:
        """Tell the peer what is not what it knows; while another offer is open, when that is settled."""
        if self.holding == self._told or self._agreed is None:
            return
        local = replace(
            self.local,
            version=self.local.version + 1,
            formats=(self._agreed.format,),
            direction="sendonly" if self.holding else "sendrecv",
            srtp="required" if self._agreed.crypto else self.local.srtp,
        )
        sent: list[bool] = []
        self._act(lambda session, now: sent.append(session.reoffer(make_offer(local), now)))
        if sent == [True]:
            self._told, self.local = self.holding, replace(local, formats=self.local.formats, srtp=self.local.srtp)

    def join(self, other: Leg) -> None:
        assert isinstance(other, SipLeg)
        for one, another in ((self, other), (other, self)):
            one._other, one.holding = another, False
            one.playout.flush()
            one._sync()

    def send_digits(self, digits: str) -> None:
        mode = self._trunk.dtmf if self._trunk else "rtp"
        if mode == "inband":
            self._tones = np.concatenate((self._tones, *[tone(digit) for digit in digits.upper()]))
            return
        by_info = mode == "info" or not (self._agreed and self._agreed.dtmf_payload_type)
        for digit in digits:
            if not by_info and self.rtp:
                self.rtp.send_dtmf(digit)
            else:
                self._act(lambda session, now, digit=digit: session.send_digit(digit, now))  # type: ignore[misc]

    def play(self, item_id: str, content_index: int, audio: bytes) -> None:
        if self.clock and not self._talking and self.playout.empty:
            self.clock.hurry(self)
        if self._plain:
            audio = self._plain.decoder[np.frombuffer(audio, np.uint8)].tobytes()
        self.playout.put(item_id, content_index, audio)

    def flush(self) -> list[Heard]:
        if self.clock and not self.playout.empty:
            self.clock.hurry(self)
        return self.playout.flush()

    def pause(self, on: bool) -> None:
        if self.clock and not self.playout.empty:
            self.clock.hurry(self)
        self.playout.pause(on)

    def record(self, recorder: Recorder | None) -> None:
        """Both sides of this leg, from now on."""
        self._uplink.recorder = recorder
        if recorder:
            recorder.use(self.law)

    def find_speech(self, after_ms: int, heard: Callable[[], None]) -> None:
        """Tell when the party speaks for so long while something is played to it."""
        self._uplink.find_speech(after_ms, lambda: not self.silent, heard)

    def deafen(self, deaf: bool) -> None:
        self._uplink.deaf = deaf

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._uplink.close()
        if self.rtp:
            self.rtp.close()

    def stats(self) -> dict[str, Any]:
        codec = {"codec": self._agreed.format.name} if self._agreed else {}
        return {**codec, **(self.rtp.stats() if self.rtp else {})}

    # media clock

    def frame(self) -> NDArray[np.int16] | None:
        """What of the agent or of the music is due, 20 ms at 24 kHz; None for silence."""
        if len(self._tones):  # speech waits
            pressed, self._tones = self._tones[:FRAME], self._tones[FRAME:]
            return pressed
        frame = self.playout.take(self.playout.hz // 50)
        if frame is None and self.holding and len(self._music) >= FRAME:
            frame = np.take(self._music, range(self._played, self._played + FRAME), mode="wrap")
            self._played = (self._played + FRAME) % len(self._music)
        return frame

    def passed_on(self) -> bytes | None:
        """20 ms of the other party, coded; None where there is none to pass on."""
        if self._other is None:
            return None
        return self._passing.take() or self.quiet()

    def quiet(self) -> bytes:
        """20 ms of what is heard while nobody speaks, coded."""
        if self._noise_dbm0 is None:
            return bytes([self.law.silence]) * CODED_FRAME
        noise = comfort_noise(self.law, self._noise_dbm0)
        self._played = (self._played + CODED_FRAME) % len(noise)
        return noise[self._played : self._played + CODED_FRAME]

    def send(self, payload: bytes, talking: bool) -> None:
        """One frame of 20 ms, coded."""
        if self.rtp is None:
            return
        self.rtp.send(payload, talking)
        if self._uplink.recorder:
            self._uplink.recorder.agent(payload)
        self.rtp.expire()
        if self._other:
            self._uplink.quiet_ms += 20
        else:
            self._uplink.tick()
        if 0 < self._timeout_ms < self._uplink.quiet_ms:
            self._check_silence()
        if self._talking and not talking:
            if self.clock:
                self.clock.settle(self)
            if self.events and self.playout.empty:
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
        if self._other is None:
            self._uplink.audio(payload)
            return
        self._uplink.quiet_ms = 0
        if self._uplink.recorder:
            self._uplink.recorder.caller(payload)
        if self.law is not self._other.law:
            payload = g711.translate(payload, self.law, self._other.law)
        self._other._passing.put(payload)

    def gap(self, gap: Gap) -> None:
        if self._other is None:
            self._uplink.gap(gap)

    def digit(self, digit: str) -> None:
        if self._other:
            self._other.send_digits(digit)
        elif self.events:
            self.events.digit(digit)


async def open_leg(leg: SipLeg, media: MediaSettings, ports: PortPool) -> None:
    """Give a leg its RTP, of the family that its signalling came by. Raises NoMediaPort."""
    if leg.local.host and (":" in leg.local.host) != (":" in media.host):
        media = replace(media, host="::" if ":" in leg.local.host else "0.0.0.0")
    leg.rtp = await open_session(media, ports, leg)
    leg.local = replace(leg.local, port=leg.rtp.port)
    leg._timeout_ms = media.timeout_seconds * 1000
