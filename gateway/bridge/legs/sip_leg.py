"""A party that came by SIP: its signalling and its RTP as one `Leg`. Here SDP becomes an RTP session."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import structlog
from numpy.typing import NDArray

from gateway.bridge.call.leg import Leg, LegEvents
from gateway.bridge.legs.media_access import MediaAccess
from gateway.bridge.legs.negotiation import Negotiation
from gateway.bridge.media.announcement import Announcement, CodedSounds
from gateway.bridge.media.batch_upsample import PROVIDER_HZ
from gateway.bridge.media.caller_audio import CallerAudio
from gateway.bridge.media.echo_guard import EchoGuard
from gateway.bridge.media.fill_audio import FRAME, FillAudio
from gateway.bridge.media.latency_stats import LatencyStats
from gateway.bridge.media.media_relay import MediaRelay
from gateway.bridge.media.playout import Playout
from gateway.bridge.media.recorder import Recorder
from gateway.codecs import CODECS, Codec, Coder, Law, Resampler, Sound
from gateway.errors import SdpError
from gateway.outcomes import Outcome
from gateway.realtime import Heard
from gateway.rtp import Gap, MediaClock, MediaSettings, PortPool, RtpSession, Srtp, Stream, Trust, open_session
from gateway.sip import (
    Agreed,
    OutgoingInvite,
    Reoffered,
    Session,
    Trunk,
    UasSession,
    UserAgent,
    make_offer,
    refer_to,
)

log = structlog.get_logger("gateway.calls")

T = TypeVar("T")

ANNOUNCED = "announcement"
"""The item of words of our own, among those of the agent's."""

SILENCE: NDArray[np.int16] = np.zeros(FRAME, np.int16)


class SipLeg:
    """Made by `open_leg`; implements `gateway.bridge.call.leg.Leg`, and the RTP session's `Sink`."""

    def __init__(
        self,
        user_agent: UserAgent,
        codecs: tuple[Codec, ...],
        caller_audio: CallerAudio,
        trunk: Trunk | None = None,
        srtp: str = "off",
        ptime_ms: int = 20,
        fill_audio: FillAudio | None = None,
        access: MediaAccess | None = None,
        sounds: CodedSounds | None = None,
    ) -> None:
        self._user_agent, self.trunk, self._access = user_agent, trunk, access
        self.listen_early = False  # also to what comes before a call of ours is answered
        self.ringing = False  # it hears a ringing tone of ours, and is not listened to
        self._early = False  # it hears us, and we it, though it is not answered
        self.session: Session | None = None
        self._caller_audio, self._fill_audio = caller_audio, fill_audio or FillAudio()
        caller_audio.fault = self.fault
        self._find_keys()
        self._sent = b""  # the latest frame
        self.latency = LatencyStats()
        self._holding = self._told = False  # what is wanted, and what the peer was told
        self._music_wanted = self._held = False
        self._other: SipLeg | None = None
        self._talking = self._closed = False
        self._timeout_ms = 0.0
        self.events: LegEvents | None = None
        self.rtp: RtpSession | None = None
        self.playout, self.announcement = Playout(), Announcement(sounds or CodedSounds())
        self._plain: Law | None = None  # what the agent speaks, where that is no PCM
        self._codec = codecs[0]
        self._coder: Coder | None = None
        self._listen_as(codecs[0])
        self.history: NDArray[np.int16] = SILENCE  # the frame before
        self.clock: MediaClock[SipLeg] | None = None
        self.media = Negotiation(codecs, ptime_ms, srtp, self._check)

    def __str__(self) -> str:
        heard = self.media.agreed.format.name if self.media.agreed else "no media yet"
        return f"{self.session}; {self.rtp}; {heard}"

    def _check(self, agreed: Agreed) -> None:
        if self._access and self.session:
            self._access.check(agreed, self.session, self.rtp.port if self.rtp else 0)

    def use_only(self, codecs: tuple[Codec, ...]) -> None:
        """Speak these of its codecs. Before anything is agreed on."""
        self.media.use_only(codecs)
        self._use(codecs[0])

    def use_trunk(self, trunk: Trunk, codecs: tuple[Codec, ...], srtp: str, ptime_ms: int) -> None:
        """Go by this one instead. Before anything is agreed on."""
        self.trunk, self.session = trunk, None
        port = self.media.local.port
        self.media = Negotiation(codecs, ptime_ms, srtp, self._check)
        self.media.use_port(port)
        self._use(codecs[0])
        self._find_keys()

    def _find_keys(self) -> None:
        if self.trunk and self.trunk.dtmf == "inband":
            self._caller_audio.find_keys(self.digit)
        else:
            self._caller_audio.find_no_keys()

    # signalling

    async def find_names(self, body: bytes) -> None:
        """Look up what a description of the peer's names instead of addresses; what is not found is refused later."""
        with suppress(SdpError):  # which whoever reads it says
            if self._access and (names := self.media.unknown_names(body)):
                self.media.know(await self._access.look_up(names, self.media.local.host))

    def has_names(self, body: bytes) -> bool:
        """Something in it has to be looked up first."""
        with suppress(SdpError):
            return bool(self.media.unknown_names(body))
        return False

    def use(self, session: UasSession) -> None:
        """Whose INVITE it is, and the address of ours that it came to."""
        self.session = session
        self.media.settle_on(self._user_agent.media_host(session.dialog.flow))

    def take(self, session: UasSession) -> None:
        """Read the INVITE's offer. Raises SdpError, NoCommonCodec, MediaAddressRefused."""
        self.session = session
        self.media.take(session.offer, self._user_agent.media_host(session.dialog.flow))

    def call(self, invite: OutgoingInvite) -> Session:
        """Send the INVITE. Raises SipParseError, TrunkBusy."""
        self.session = self._user_agent.call(
            invite, lambda flow: self.media.offer(flow, self._user_agent.media_host(flow))
        )
        return self.session

    def answered(self, body: bytes) -> None:
        """The 18x or 2xx to our INVITE; a 2xx may leave out what an 18x has said. Raises SdpError, NoCommonCodec."""
        self._apply(self.media.answered(body, "the 200"))

    def take_answer(self, body: bytes) -> None:
        """The ACK's SDP, where the offer was ours. Raises SdpError, NoCommonCodec."""
        if self.media.agreed is None:
            self._apply(self.media.answered(body, "the ACK"))

    def reoffered(self, event: Reoffered) -> None:
        """A re-INVITE: codec, address or direction may change. Raises SdpError, NoCommonCodec; nothing has changed."""
        answer, agreed = self.media.reoffered(event.body)
        self._act(lambda session, now: session.answer(answer, now))
        if agreed:
            self._apply(agreed)

    def reanswered(self, body: bytes) -> None:
        """An answer to an offer of ours within the call. Raises SdpError, NoCommonCodec."""
        self._apply(self.media.answered(body, "the 200"), offered=False)
        self._sync()

    def reoffer_refused(self) -> None:
        """A hold that the peer does not want: it hears the music all the same."""
        self._told = self._holding

    def _act(self, verb: Callable[[Session, float], T]) -> T | None:
        """What the verb returns; None while there is no session."""
        session = self.session
        return self._user_agent.act(lambda now: verb(session, now)) if session else None

    def _apply(self, agreed: Agreed, offered: bool = True) -> None:
        """`offered`: it is what the peer asked for, and not its answer to what we did."""
        self._use(CODECS[agreed.format.name])
        if offered or not self._holding:  # who does not want our music does not hold us
            self._tell_held(not agreed.send)
        if self.rtp:
            access, session = self._access, self.session
            trust = access.trust(agreed, session) if access and session else Trust()
            self.rtp.update(
                Stream(
                    payload_type=agreed.format.payload_type,
                    dtmf_payload_type=agreed.dtmf_payload_type,
                    remote=agreed.remote,
                    trust=trust,
                    accepted=frozenset(one.payload_type for one in agreed.others),
                    dtmf_accepted=agreed.dtmf_types,
                    sending=agreed.send,
                    srtp=self._srtp(agreed),
                    rtcp=access.reports_to(agreed, trust) if access else agreed.rtcp,
                    mux=agreed.mux,
                    packet_ms=agreed.ptime_ms,
                )
            )

    def _tell_held(self, on: bool) -> None:
        if on != self._held:
            self._held = on
            if self.events:
                self.events.held(on)

    def _use(self, codec: Codec) -> None:
        if codec is not self._codec:
            self._listen_as(codec)
            self._caller_audio.use(codec.sound)
            self.record(self._caller_audio.recorder)

    def _listen_as(self, codec: Codec) -> None:
        self._codec, self._coder = codec, codec.coder and codec.coder()
        self.sound: Sound = codec.sound  # how the voices lie in bytes, on this side of the codec
        self._passing = MediaRelay(codec.sound)  # what the other party says

    def _srtp(self, agreed: Agreed) -> Srtp | None:
        """The one in use as long as the peer's key stays: its counters must not start anew."""
        crypto, current = agreed.crypto, self.rtp.srtp if self.rtp else None
        if crypto is None:
            return None
        if current and (current.suite, current.remote_keys) == (crypto.suite, crypto.keys):
            return current
        return Srtp(crypto.suite, self.media.local.key_of(crypto.suite), crypto.keys)

    # Leg

    @property
    def silent(self) -> bool:
        return self.playout.empty and self.announcement.empty

    @property
    def early(self) -> bool:
        return self._early

    @property
    def transfers(self) -> str:
        return self.trunk.transfer if self.trunk else "refer"  # who is nobody's peer cannot make us call others

    @property
    def answers(self) -> str:
        return self.trunk.answer if self.trunk else "ready"

    @property
    def rings_seconds(self) -> float:
        return self.trunk.answer_after_seconds if self.trunk else 0.0

    def ring(self) -> None:
        """180; or 183 with our answer, where the trunk wants it and there was an offer: then the tone comes from us."""
        if isinstance(session := self.session, UasSession):
            self.ringing = self.answers == "early" and self.media.agreed is not None
            body = self.media.answer if self.ringing else b""
            if self.ringing and self.media.agreed:
                self._apply(self.media.agreed)
            self._user_agent.act(lambda now: session.ring(now, body))

    def speak_early(self) -> bool:
        session, agreed = self.session, self.media.agreed
        if self.answers != "early" or agreed is None or not isinstance(session, UasSession):
            return False
        self._early = True
        self._apply(agreed)
        self._user_agent.act(lambda now: session.ring(now, self.media.answer))
        return True

    def answer(self) -> None:
        self.ringing = False
        self._caller_audio.quiet_ms = 0
        if self.media.agreed:
            self._apply(self.media.agreed)
        self._act(lambda session, now: session.answer(self.media.answer, now))

    def reject(self, status: int, headers: dict[str, str]) -> None:
        if isinstance(session := self.session, UasSession):
            self._user_agent.act(lambda now: session.reject(status, now, headers=headers))

    def hang_up(self, reason: str) -> None:
        header = f'SIP;cause=200;text="{reason}"'
        self._act(lambda session, now: session.bye(now, header))

    def transfer(self, target: str, replaces: Leg | None = None, known: Mapping[str, str] | None = None) -> bool:
        if self.session:
            target = refer_to(target, self.trunk, self.session.dialog.remote_target, known)
        other = replaces.session if isinstance(replaces, SipLeg) else None
        return self._act(lambda session, now: session.refer(target, now, replaces=other)) is not None

    def tell_referrer(self, status: int) -> None:
        self._act(lambda session, now: session.tell_referrer(status, now))

    @property
    def spoken(self) -> Codec:
        """What was agreed on, or would be ours to choose."""
        return CODECS[self.media.spoken.name]

    def pass_on(self, law: Law) -> None:
        """The agent hears and speaks G.711: nothing is resampled."""
        self._plain, self.playout = law, Playout(8000)
        self._caller_audio.pass_on(law)

    def pass_on_nothing(self) -> None:
        """Whoever comes next hears and speaks PCM16."""
        if self._plain:
            self._plain, self.playout = None, Playout()
            self._caller_audio.pass_on(None)

    def heard_by(self, append: Callable[[bytes], None] | None) -> None:
        """Another agent, or none, for which nothing is converted."""
        self._caller_audio.append = append

    def succeed(self, old: SipLeg, append: Callable[[bytes], None]) -> None:
        """Take the place of `old`: what the agent was saying goes on, and `append` hears this party."""
        self.playout, self.events, self.latency = old.playout, old.events, old.latency
        self.announcement = old.announcement
        self._held = old._held
        self._caller_audio.append = append
        self.record(old._caller_audio.recorder)
        old.record(None)

    def hold(self, on: bool) -> None:
        if on != self._holding:
            self._holding = on
            self._fill_audio.rewind()
            self._sync()

    def play_music(self, on: bool) -> None:
        if on != self._music_wanted:
            self._music_wanted = on
            self._fill_audio.rewind()

    def _sync(self) -> None:
        """Tell the peer what is not what it knows; while another offer is open, when that is settled."""
        told = self.media.direction("sendonly" if self._holding else "sendrecv")
        if self._holding == self._told or told is None:
            return
        if self._act(lambda session, now: session.reoffer(make_offer(told), now)):
            self._told = self._holding
            self.media.offered(told)

    def join(self, other: Leg) -> None:
        assert isinstance(other, SipLeg)
        for one, another in ((self, other), (other, self)):
            one._other, one._holding = another, False
            one.flush()
            one._sync()

    def send_digits(self, digits: str) -> None:
        mode = self.trunk.dtmf if self.trunk else "rtp"
        if mode == "inband":
            self._fill_audio.press(digits)
            return
        by_info = mode == "info" or not (self.media.agreed and self.media.agreed.dtmf_payload_type)
        for digit in digits:
            if not by_info and self.rtp:
                self.rtp.send_dtmf(digit)
            else:
                self._act(lambda session, now, digit=digit: session.send_digit(digit, now))  # type: ignore[misc]

    def play(self, item_id: str, content_index: int, audio: bytes) -> None:
        self._queue(item_id, content_index, self._plain.linear(audio).tobytes() if self._plain else audio)

    def announce(self, audio: bytes) -> None:
        if self.playout.empty:
            self._hurry()
            self.announcement.put(audio)
            return
        if self._plain:  # behind what the agent is saying
            audio = Resampler(PROVIDER_HZ, self.playout.hz).push(np.frombuffer(audio, "<i2")).tobytes()
        self._queue(ANNOUNCED, 0, audio)

    def _queue(self, item_id: str, content_index: int, audio: bytes) -> None:
        self._hurry()
        self.playout.put(item_id, content_index, audio)

    def _hurry(self) -> None:
        """There is something to be heard, where there was nothing."""
        if self.clock and not self._talking and self.silent:
            self.clock.hurry(self)
            self.latency.asked(time.monotonic())

    def flush(self) -> list[Heard]:
        if self.clock and not self.silent:
            self.clock.hurry(self)
            self.latency.hushed(time.monotonic())
        ours = self.announcement.flush(self.sound)
        return [*([Heard(ANNOUNCED, 0, ours)] if ours else []), *self.playout.flush()]

    def pause(self, on: bool) -> None:
        if self.clock and not self.silent:
            self.clock.hurry(self)
        self.playout.pause(on)
        self.announcement.pause(on, self.sound)

    def record(self, recorder: Recorder | None) -> None:
        """Both sides of this leg, from now on."""
        self._caller_audio.recorder = recorder
        if recorder:
            recorder.use(self.sound)

    def find_speech(self, after_ms: int, heard: Callable[[], None]) -> None:
        """Tell when the party speaks for so long while something is played to it."""
        self._caller_audio.find_speech(after_ms, lambda: not self.silent, heard)

    def find_no_speech(self) -> None:
        self._caller_audio.find_no_speech()

    def listen_for_speech(self, after_ms: int | None) -> None:
        if after_ms is not None and self.events:
            self._caller_audio.find_speech(after_ms, lambda: True, self.events.spoke)
        else:
            self._caller_audio.find_no_speech()

    def watch_for_echo(self) -> None:
        """What comes back of what is sent is kept from the agent."""
        self._caller_audio.echo = EchoGuard()

    def echoes(self) -> bool:
        """What is heard of the party now is what was said to it."""
        return self._caller_audio.echo is not None and self._caller_audio.echo.look()

    def mute_input(self, input_muted: bool) -> None:
        self._caller_audio.input_muted = input_muted

    def close(self) -> None:
        """Once or more often; the port is given back whatever else fails."""
        try:
            if not self._closed:
                self._closed = True
                self._caller_audio.close()
        finally:
            if self.rtp:
                self.rtp.close()

    def stats(self) -> dict[str, Any]:
        codec = {"codec": self.media.agreed.format.name} if self.media.agreed else {}
        echo = self._caller_audio.echo.stats() if self._caller_audio.echo else {}
        return {**codec, **(self.rtp.stats() if self.rtp else {}), **self.latency.stats(), **echo}

    # media clock

    def frame(self) -> NDArray[np.int16] | None:
        """What of the agent or of the music is due, 20 ms at 24 kHz; None for silence."""
        if self.ringing:
            return self._fill_audio.ringing_tone()
        if self._fill_audio.pressing:  # speech waits
            return self._fill_audio.pressed()
        frame = self.playout.take(self.playout.hz // 50)
        return self._fill_audio.music() if frame is None and self.music_plays else frame

    @property
    def music_plays(self) -> bool:
        """Where nobody speaks."""
        return self._holding or self._music_wanted

    def announced(self) -> bytes | None:
        """20 ms of our own words; None where there are none now."""
        if self.ringing or self._fill_audio.pressing or self.announcement.empty:
            return None
        return self.announcement.take(self.sound)

    def passed_on(self) -> bytes | None:
        """20 ms of the other party; None where there is none to pass on."""
        if self._other is None:
            return None
        return self._passing.take() or self.quiet()

    def quiet(self) -> bytes:
        """20 ms of what is heard while nobody speaks."""
        return self._fill_audio.quiet(self.sound)

    def send(self, heard: bytes, talking: bool) -> None:
        """One frame of 20 ms, in `sound`."""
        if self.rtp is None:
            return
        self.rtp.send(self._coder.encode(heard) if self._coder else heard, talking)
        self._sent = heard
        if self._caller_audio.echo:
            self._caller_audio.echo.sent(heard, self.sound, talking)
        if self.latency.waits:
            self.latency.sent(talking, time.monotonic())
        if self._caller_audio.recorder:
            self._caller_audio.recorder.agent(heard)
        self.rtp.expire()
        if self._other:
            self._caller_audio.quiet_ms += 20
        else:
            self._caller_audio.tick(self.rtp.waiting)
        if 0 < self._timeout_ms < self._caller_audio.quiet_ms and self.rtp.quiet_seconds * 1000 > self._timeout_ms:
            self._check_silence()
        if self._talking and not talking:
            if self.clock:
                self.clock.settle(self)
            if self.events and self.silent:
                self.events.drained()
        self._talking = talking

    @property
    def encrypted(self) -> bool:
        """The media are, as agreed."""
        return self.media.agreed is not None and self.media.agreed.crypto is not None

    def voices(self) -> tuple[bytes, bytes]:
        """The latest of what this party has said, and of what it has heard, in `sound`; empty where there is none."""
        return self._caller_audio.latest, self._sent

    def fault(self, error: Exception) -> None:
        """A bug of ours in its media ends this call, and no other."""
        log.exception("call.bug", leg=str(self), exc_info=error)
        if self.clock:
            self.clock.leave(self)
        if self.events:
            self.events.broken(Outcome.MEDIA_FAILED, f"{type(error).__name__}: {error}")

    def _check_silence(self) -> None:
        agreed = self.media.agreed
        if self.events is None or agreed is None or self.ringing or not (agreed.send and agreed.receive):
            return  # held: silence is what was agreed on
        seconds, self._timeout_ms = self._timeout_ms / 1000, 0.0  # told once
        promised = f"{agreed.remote[0]}:{agreed.remote[1]}"
        self.events.broken(
            Outcome.MEDIA_TIMEOUT, f"no RTP for {seconds:g} s: its SDP promised it from {promised}; {self.rtp}"
        )

    # Sink

    def audio(self, payload: bytes) -> None:
        if self.ringing or (self.clock is None and not self.listen_early):
            return  # ringing tones and announcements of the network: nobody has answered
        if self._coder:
            payload = self._coder.decode(payload)
        if self._other is None:
            self._caller_audio.audio(payload)
            return
        self._caller_audio.quiet_ms = 0
        if self._caller_audio.recorder:
            self._caller_audio.recorder.caller(payload)
        self._other._passing.put(payload, self.sound)

    def gap(self, gap: Gap) -> None:
        if self._other is None and (self.clock or self.listen_early):
            self._caller_audio.gap(gap)

    def switch(self, payload_type: int) -> None:
        """The peer goes on in another format of those that it named: so do we (RFC 3264 section 7)."""
        agreed = self.media.agreed
        formats = [agreed.format, *agreed.others] if agreed else []
        for one in formats:
            if one.payload_type == payload_type and self.rtp:
                self._use(CODECS[one.name])
                self.rtp.use(payload_type)

    def digit(self, digit: str) -> None:
        if self._other:
            self._other.send_digits(digit)
        elif self.events:
            self.events.digit(digit)


async def open_leg(leg: SipLeg, media: MediaSettings, ports: PortPool) -> None:
    """Give a leg its RTP, of the family that its signalling came by. Raises NoMediaPort."""
    host = leg.media.local.host
    if host and (":" in host) != (":" in media.host):
        media = replace(media, host="::" if ":" in host else "0.0.0.0")
    leg.rtp = await open_session(media, ports, leg)
    leg.media.use_port(leg.rtp.port)
    leg._timeout_ms = media.timeout_seconds * 1000
