"""The telephone on PJSIP, a SIP and media stack that shares nothing with the gateway's own."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gateway.errors import ConfigError
from gateway.phone.errand import HZ, PhoneCall, own_address_towards
from gateway.phone.sound import Sound
from gateway.phone.turns import Turns, spoken
from gateway.phone.words import Follows, Say, Words
from gateway.sip import Uri


def call(pj: Any, errand: PhoneCall, say: Say, folder: Path, gateway: Follows | None) -> bool:
    """`pj` is the module pjsua2. True when the call was answered. Raises ConfigError."""
    try:
        return _Phone(pj, errand, say, folder, gateway).run()
    except pj.Error as error:
        raise ConfigError(errand.target, f"cannot be called: {error.reason}") from error


class _Phone:
    def __init__(self, pj: Any, errand: PhoneCall, say: Say, folder: Path, gateway: Follows | None) -> None:
        self.pj, self.errand = pj, errand
        self._tell, self._folder = say, folder
        self._started = time.monotonic()
        self._calls: list[Any] = []
        self._player: Any = None
        self._recorder: Any = None
        self._words_of = Words(self.say, gateway)
        self._turns = Turns(errand, self, spoken(errand, folder))
        self._port: Any = None  # to the microphone and the loudspeaker
        self._sound: Sound | None = None

    def say(self, text: str) -> None:
        self._tell(f"{time.monotonic() - self._started:7.2f} s  {text}")

    def run(self) -> bool:
        pj = self.pj
        endpoint = pj.Endpoint()
        with contextlib.nullcontext() if self.errand.trace else _hushed():
            endpoint.libCreate()
        settings = pj.EpConfig()
        settings.uaConfig.threadCnt = 0  # everything happens in this thread
        settings.uaConfig.mainThreadOnly = True
        settings.uaConfig.userAgent = "gateway phone"
        settings.logConfig.level = settings.logConfig.consoleLevel = 4 if self.errand.trace else 0
        settings.logConfig.msgLogging = self.errand.trace
        settings.medConfig.clockRate = settings.medConfig.sndClockRate = 8000
        settings.medConfig.noVad = True
        settings.medConfig.ecTailLen = 0
        endpoint.libInit(settings)
        try:
            kind = getattr(pj, f"PJSIP_TRANSPORT_{self.errand.transport.upper()}")
            transport = pj.TransportConfig()
            host = own_address_towards(Uri.parse(self.errand.target).host)  # which its SDP names, too
            host = "" if ":" in host else host
            transport.boundAddress = host
            identity = endpoint.transportCreate(kind, transport)
            endpoint.libStart()
            endpoint.audDevManager().setNullDev()
            account_settings = pj.AccountConfig()
            account_settings.idUri = f"sip:{self.errand.caller}@{host or 'phone.invalid'}"
            account_settings.sipConfig.transportId = identity
            account_settings.mediaConfig.transportConfig.boundAddress = host
            if self.errand.srtp:
                account_settings.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_MANDATORY
                account_settings.mediaConfig.srtpSecureSignaling = 0  # also where the signalling is not encrypted
            account = pj.Account()
            account.create(account_settings)
            self._recorder = pj.AudioMediaRecorder()  # always: only what is listened to has a level
            self._recorder.createRecorder(str(self.errand.record or self._folder / "heard.wav"))
            self._listener = _port_class(pj)("ears", self._words_of.hear)
            if self.errand.talk:
                self._open_sound()
            self._dial(account)
            try:
                self._loop(endpoint)
            except KeyboardInterrupt:
                self.say("hanging up")
            self._hang_up()
            self._handle(endpoint, 0.4)
            self._words_of.close()
            return self._turns.answered_at is not None
        finally:
            if self._sound:
                self._sound.close()
            self._player = self._recorder = self._port = self._listener = None
            self._calls.clear()  # the library's objects may not outlive the library
            account = None
            gc.collect()
            endpoint.libDestroy()

    def _hang_up(self) -> None:
        for one in self._calls:
            if one.isActive():
                one.hangup(self.pj.CallOpParam(True))

    def _dial(self, account: Any) -> None:
        target = self.errand.target
        if self.errand.transport != "udp" and "transport=" not in target:
            target += f";transport={self.errand.transport}"
        first = _call_class(self.pj)(account, self)
        self._calls.append(first)
        self.say(f"calling {target}")
        try:
            first.makeCall(target, self.pj.CallOpParam(True))
        except self.pj.Error as error:
            raise ConfigError(self.errand.target, f"cannot be called: {error.reason}") from error

    def _open_sound(self) -> None:
        """Between the call and this machine's own microphone and loudspeaker, 20 ms at a time."""
        self._sound = Sound()
        self._port = _port_class(self.pj)("talk", self._sound.hear, self._sound.said)
        self.say("speak; Ctrl-C hangs up")

    def _handle(self, endpoint: Any, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            endpoint.libHandleEvents(10)

    def _loop(self, endpoint: Any) -> None:
        until = self._started + self.errand.seconds
        while time.monotonic() < until and any(not one.over for one in self._calls):
            self._handle(endpoint, 0.02)
            if self._calls[-1].media is not None and self._turns.step(time.monotonic(), self._loud, len(self._calls)):
                self.say("hanging up")
                return

    @property
    def _loud(self) -> bool:
        """Something is heard: what the call gives out."""
        return bool(self._calls[-1].media.getTxLevel() > 0)

    # hands

    def speak(self, path: Path) -> None:
        self._player = self.pj.AudioMediaPlayer()
        self._player.createPlayer(str(path), self.pj.PJMEDIA_FILE_NO_LOOP)
        self._player.startTransmit(self._calls[-1].media)

    def hand_over(self, text: str) -> bool:
        return self._words_of.hand_over(text)

    def press(self, keys: str) -> None:
        self._calls[-1].dialDtmf(keys)

    def pause(self) -> None:
        self._words_of.pause()

    # from the calls

    def media_ready(self, one: Any) -> None:
        one.media.startTransmit(self._recorder)
        one.media.startTransmit(self._listener)
        if self._port:
            one.media.startTransmit(self._port)
            self._port.startTransmit(one.media)
        self._turns.media_ready(time.monotonic())

    def known_as(self, sip_call_id: str) -> None:
        self._words_of.known_as(sip_call_id)

    def follow(self, one: Any, prm: Any) -> None:
        self.say(f"REFER to {prm.dstUri}")
        if self.errand.refuse_transfer:
            prm.statusCode = 603
            return
        self._turns.transferred(time.monotonic())
        self._calls.append(_call_class(self.pj)(one.account, self))
        prm.newCall = self._calls[-1]


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """The library greets on standard output before it can be told not to."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        ctypes.CDLL(None).fflush(None)  # into a pipe it would greet at the end
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def _call_class(pj: Any) -> Any:
    """PJSIP calls back on methods of a subclass, which can be made only once pjsua2 is there."""

    class PhoneCall(pj.Call):  # type: ignore[misc]
        def __init__(self, account: Any, phone: _Phone) -> None:
            super().__init__(account)
            self.account, self.phone = account, phone
            self.media: Any = None
            self.over = False

        def onCallState(self, prm: Any) -> None:
            info = self.getInfo()
            self.phone.known_as(info.callIdString)
            if info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
                self.over, self.media = True, None
                self.phone.say(f"call to {info.remoteUri} ended: {info.lastStatusCode} {info.lastReason}")
            elif info.state in (pj.PJSIP_INV_STATE_EARLY, pj.PJSIP_INV_STATE_CONFIRMED):
                self.phone.say(f"{info.stateText.lower()}: {info.lastStatusCode} {info.lastReason}")

        def onCallMediaState(self, prm: Any) -> None:
            info = self.getInfo()  # has to outlive its parts
            for number, media in enumerate(info.media):
                held = media.status == pj.PJSUA_CALL_MEDIA_REMOTE_HOLD  # it may be played music
                if held:
                    self.phone.say("held")
                if media.type == pj.PJMEDIA_TYPE_AUDIO and (held or media.status == pj.PJSUA_CALL_MEDIA_ACTIVE):
                    self.media = self.getAudioMedia(number)
                    self.phone.media_ready(self)

        def onCallTransferRequest(self, prm: Any) -> None:
            self.phone.follow(self, prm)

    return PhoneCall


def _port_class(pj: Any) -> Any:
    """Audio of a call in Python's hands: 20 ms of PCM16 at HZ, both ways, in a thread of the library's."""

    class Port(pj.AudioMediaPort):  # type: ignore[misc]
        def __init__(self, name: str, hear: Callable[[bytes], object], speak: Callable[[], bytes] = bytes) -> None:
            super().__init__()
            self._hear, self._speak = hear, speak
            shape = pj.MediaFormatAudio()
            shape.type, shape.clockRate, shape.channelCount = pj.PJMEDIA_TYPE_AUDIO, HZ, 1
            shape.bitsPerSample, shape.frameTimeUsec = 16, 20000
            self.createPort(name, shape)

        def onFrameReceived(self, frame: Any) -> None:
            if frame.size:
                self._hear(bytes(frame.buf))

        def onFrameRequested(self, frame: Any) -> None:
            sound = self._speak() or bytes(HZ // 50 * 2)
            frame.type, frame.size, frame.buf = pj.PJMEDIA_FRAME_TYPE_AUDIO, len(sound), pj.ByteVector(sound)

    return Port
