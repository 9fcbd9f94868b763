"""The telephone on the gateway's own SIP and RTP: for wherever there is no PJSIP."""

from __future__ import annotations

import asyncio
import contextlib
import time
import wave
from collections import deque
from dataclasses import replace
from pathlib import Path

import numpy as np

from gateway.bridge import Negotiation
from gateway.codecs import CODECS, Law
from gateway.errors import ConfigError, GatewayError
from gateway.phone.errand import HZ, PhoneCall, own_address_towards
from gateway.phone.sound import Sound
from gateway.phone.turns import Turns, spoken
from gateway.phone.words import Follows, Say, Words
from gateway.rtp import Gap, MediaSettings, PortPool, RtpSession, Srtp, Stream, Trust, open_session
from gateway.sip import (
    Agreed,
    Answered,
    Ended,
    Event,
    OutgoingInvite,
    Progress,
    Referred,
    Rejected,
    Reoffered,
    Session,
    SipSettings,
    Trunk,
    Uri,
    UserAgent,
)
from gateway.sip.message.grammar import format_host
from gateway.sip.message.message import REASONS

FRAME = HZ // 50  # samples of 20 ms
LOUD = 200
"""Amplitude, of 32767, that is more than the noise of G.711."""
PORTS = (30000, 39999)


class _Anywhere(Trunk):
    """A telephone calls whomever a REFER names."""

    __slots__ = ()

    def refers_to(self, target: Uri, peer: str) -> bool:
        return True


def call(errand: PhoneCall, say: Say, folder: Path, gateway: Follows | None) -> bool:
    """True when the call was answered. Raises ConfigError."""
    return asyncio.run(_Phone(errand, say, folder, gateway).run())


class _Phone:
    def __init__(self, errand: PhoneCall, say: Say, folder: Path, gateway: Follows | None) -> None:
        self.errand, self._tell, self._folder = errand, say, folder
        self._started = time.monotonic()
        self.words = Words(self.say, gateway)
        self.turns = Turns(errand, self, spoken(errand, folder))
        self.calls: list[_Call] = []
        self.media = MediaSettings(host="0.0.0.0", first_port=PORTS[0], last_port=PORTS[1])
        self.ports = PortPool(*PORTS, time.monotonic)
        self.agent = UserAgent(
            SipSettings(host="0.0.0.0", port=0, user_agent="gateway phone", trace=errand.trace, any_certificate=True),
            self._receive,
        )
        self.trunk = _Anywhere("phone", follow_refer=True, session_seconds=0)
        self._playing = np.zeros(0, np.int16)
        self._sound: Sound | None = None

    def say(self, text: str) -> None:
        self._tell(f"{time.monotonic() - self._started:7.2f} s  {text}")

    async def run(self) -> bool:
        errand, target = self.errand, self.errand.target
        if errand.transport != "udp" and "transport=" not in target:
            target += f";transport={errand.transport}"
        if "[" in target:
            self.media = replace(self.media, host="::")
        await self.agent.listen()
        record = wave.open(str(errand.record or self._folder / "heard.wav"), "wb")  # noqa: SIM115
        record.setnchannels(1)
        record.setsampwidth(2)
        record.setframerate(HZ)
        try:
            if errand.talk:
                self._sound = Sound()
                self.say("speak; Ctrl-C hangs up")
            self.say(f"calling {target}")
            await self.dial(target)
            with contextlib.suppress(asyncio.CancelledError):  # Ctrl-C
                await self._talk(record)
            for one in self.calls:
                one.hang_up()
            await asyncio.sleep(0.4)
            self.words.close()
            return self.turns.answered_at is not None
        except GatewayError as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(errand.target, f"cannot be called: {error}") from error
        finally:
            record.close()
            if self._sound:
                self._sound.close()
            for one in self.calls:
                one.close()
            await self.agent.close()

    async def dial(self, target: str, replaces: str = "") -> _Call:
        """Raises SipParseError, NoMediaPort."""
        one = _Call(self, f"<{target}>" if self.calls else target)
        one.rtp = await open_session(self.media, self.ports, one)
        one.media.use_port(one.rtp.port)
        self.calls.append(one)
        caller = f"sip:{self.errand.caller}@{format_host(own_address_towards(Uri.parse(target).host))}"
        invite = OutgoingInvite(target, self.trunk, caller, replaces=replaces)
        one.session = self.agent.call(invite, one.media.offer)
        self.words.known_as(one.session.dialog.call_id)
        return one

    async def _talk(self, record: wave.Wave_write) -> None:
        """20 ms at a time, until it is over or time is up."""
        loop, due = asyncio.get_running_loop(), asyncio.get_running_loop().time()
        until = self._started + self.errand.seconds
        while time.monotonic() < until and any(not one.over for one in self.calls):
            one = self.calls[-1]
            heard = one.heard.popleft() if one.heard else np.zeros(FRAME, np.int16)
            if one.agreed:
                one.send(self._said())
                record.writeframesraw(heard.tobytes())
                self.words.hear(heard.tobytes())
                if self._sound:
                    self._sound.hear(heard.tobytes())
                loud = bool(np.abs(heard.astype(np.int32)).max() > LOUD)
                if self.turns.step(time.monotonic(), loud, len(self.calls)):
                    self.say("hanging up")
                    return
            due += 0.02
            await asyncio.sleep(max(0.0, due - loop.time()))

    def _said(self) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
        """The next 20 ms of what is played, or comes from the microphone; silence else."""
        if self._sound and (frame := self._sound.said()):
            return np.frombuffer(frame, "<i2")
        frame_, self._playing = self._playing[:FRAME], self._playing[FRAME:]
        return np.pad(frame_, (0, FRAME - len(frame_)))

    # hands

    def speak(self, path: Path) -> None:
        with wave.open(str(path)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            if (hz := file.getframerate()) != HZ:
                import soxr

                samples = soxr.resample(samples, hz, HZ)
        self._playing = samples

    def hand_over(self, text: str) -> bool:
        return self.words.hand_over(text)

    def press(self, keys: str) -> None:
        if rtp := self.calls[-1].rtp:
            rtp.send_dtmf(keys.upper())

    def pause(self) -> None:
        self.words.pause()

    # from the telephone line

    def _receive(self, event: Event) -> None:
        one = next((each for each in self.calls if each.session is event.session), None)
        if one:
            one.receive(event)

    async def follow(self, asked: Referred) -> None:
        """Somebody else is called, who takes the first call's place."""
        one, target = self.calls[-1], str(asked.incoming_refer.target)
        self.turns.transferred(time.monotonic())
        try:
            second = await self.dial(target, asked.incoming_refer.replaces)
            second.referred_by = one
        except GatewayError as error:
            self.say(f"{target} cannot be called: {error}")
            one.tell_referrer(503)


class _Call:
    """One call; implements `gateway.rtp.Sink`."""

    def __init__(self, phone: _Phone, target: str) -> None:
        self._phone, self.target = phone, target
        codecs = tuple(CODECS[name] for name in ("PCMU", "PCMA"))
        srtp = "required" if phone.errand.srtp else "off"
        self.media = Negotiation(codecs, 20, srtp, lambda agreed: None)
        self.session: Session | None = None
        self.rtp: RtpSession | None = None
        self.agreed: Agreed | None = None
        self.heard: deque[np.ndarray[tuple[int], np.dtype[np.int16]]] = deque(maxlen=50)
        self.referred_by: _Call | None = None
        self.over = False
        self._rest = np.zeros(0, np.int16)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def _law(self) -> Law:
        sound = CODECS[self.agreed.format.name].sound if self.agreed else None
        assert isinstance(sound, Law)
        return sound

    def receive(self, event: Event) -> None:
        phone = self._phone
        match event:
            case Progress(status=status, body=body):
                phone.say(f"early: {status} {REASONS.get(status, '')}".rstrip())
                if self.referred_by:
                    self.referred_by.tell_referrer(status)
                if body:
                    self._agree(body)
            case Answered(body=body):
                phone.say("confirmed: 200 OK")
                self._agree(body)
                if self.referred_by:
                    self.referred_by.tell_referrer(200)
                if self.agreed:
                    phone.turns.media_ready(time.monotonic())
            case Rejected():
                if self.referred_by:
                    self.referred_by.tell_referrer(event.status)
                self._ended(f"{event.status} {event.phrase}")
            case Ended():
                self._ended("200 Normal call clearing" if event.cause.value == "bye" else event.cause.value)
            case Reoffered(body=body):
                self._reoffered(event, body)
            case Referred(incoming_refer=asked):
                phone.say(f"REFER to <{asked.target}>")
                if phone.errand.refuse_transfer:
                    self.tell_referrer(603)
                else:
                    task = asyncio.get_running_loop().create_task(phone.follow(event))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)

    def _ended(self, why: str) -> None:
        self.over = True
        self._phone.say(f"call to {self.target} ended: {why}")

    def _agree(self, body: bytes) -> None:
        try:
            self._use(self.media.answered(body, "the 200"))
        except GatewayError as error:
            self._phone.say(str(error))
            self.hang_up()

    def _reoffered(self, event: Reoffered, body: bytes) -> None:
        try:
            answer, agreed = self.media.reoffered(body)
        except GatewayError as error:
            self._phone.say(str(error))
            self._phone.agent.act(lambda now: event.session.refuse_reoffer(488, now))
            return
        self._phone.agent.act(lambda now: event.session.answer(answer, now))
        if agreed:
            if not agreed.send:
                self._phone.say("held")
            self._use(agreed)

    def _use(self, agreed: Agreed) -> None:
        self.agreed = agreed
        if self.rtp is None:
            return
        crypto, current = agreed.crypto, self.rtp.srtp
        srtp = None
        if crypto:
            same = current and (current.suite, current.remote_keys) == (crypto.suite, crypto.keys)
            srtp = current if same else Srtp(crypto.suite, self.media.local.key_of(crypto.suite), crypto.keys)
        self.rtp.update(
            Stream(
                agreed.format.payload_type, agreed.dtmf_payload_type, agreed.remote, agreed.send, srtp, agreed.rtcp,
                agreed.mux, agreed.ptime_ms, Trust((), "any"), frozenset(one.payload_type for one in agreed.others),
                agreed.dtmf_types,
            )
        )  # fmt: skip

    def send(self, frame: np.ndarray[tuple[int], np.dtype[np.int16]]) -> None:
        if self.rtp and self.agreed:
            self.rtp.send(self._law.coded(frame), bool(frame.any()))
            self.rtp.expire()

    def tell_referrer(self, status: int) -> None:
        if session := self.session:
            self._phone.agent.act(lambda now: session.tell_referrer(status, now))

    def hang_up(self) -> None:
        if (session := self.session) and not self.over:
            self._phone.agent.act(session.bye)
            self._ended("200 OK")

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self.rtp:
            self.rtp.close()

    # Sink

    def audio(self, payload: bytes) -> None:
        if self.agreed:
            samples = np.concatenate((self._rest, self._law.linear(payload)))
            whole = len(samples) // FRAME * FRAME
            self._rest = samples[whole:]
            self.heard.extend(samples[:whole].reshape(-1, FRAME))

    def gap(self, gap: Gap) -> None:
        """Silence will do: the loop writes it where nothing is there."""

    def digit(self, digit: str) -> None:
        self._phone.say(f"key {digit}")

    def switch(self, payload_type: int) -> None:
        """The other law."""
        for one in (self.agreed.format, *self.agreed.others) if self.agreed else ():
            if one.payload_type == payload_type and self.agreed and self.rtp:
                self.agreed = replace(self.agreed, format=one)
                self.rtp.use(payload_type)
