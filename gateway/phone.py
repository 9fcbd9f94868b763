"""`gateway phone`: a telephone on PJSIP, a SIP and media stack that shares nothing with the gateway's own."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import re
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.errors import ConfigError
from gateway.local.mouth import mouth

SPEED = 0.85  # of the voice: as clear as people are on a telephone
PAUSE_SECONDS = 1.0
"""Silence of the agent after which it is our turn, and, when all is said, time to hang up."""

PATIENCE_SECONDS = 10.0
"""Longest wait for the agent to say anything."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Errand:
    """What to do on the telephone; see `gateway phone --help`."""

    target: str
    say: tuple[str, ...] = ()
    wav: Path | None = None
    dtmf: str = ""
    record: Path | None = None
    seconds: float = 60.0
    after: float | None = None
    refuse_transfer: bool = False
    transport: str = "udp"  # udp, tcp, tls
    srtp: bool = False
    caller: str = "phone"
    trace: bool = False


def call(errand: Errand, say: Say) -> bool:
    """Do it, telling of every step; True when the call was answered. Raises ConfigError."""
    try:
        import pjsua2
    except ImportError as error:
        raise ConfigError(
            "gateway phone", "needs pjsua2-python, whose wheels are for Python 3.11 and 3.12 on Linux x86-64; "
            "install the 'phone' extra there, or call with any softphone"
        ) from error  # fmt: skip
    if not re.match(r"sips?:\S+$", errand.target):
        raise ConfigError(errand.target, "is not a SIP address, such as sip:reception@127.0.0.1:5060")
    with tempfile.TemporaryDirectory(prefix="gateway-phone-") as folder:
        return _Phone(pjsua2, errand, say, Path(folder)).run()


class _Phone:
    def __init__(self, pj: Any, errand: Errand, say: Say, folder: Path) -> None:
        self.pj, self.errand = pj, errand
        self._tell, self._folder = say, folder
        self._started = time.monotonic()
        self._words = [self._speak(number, text) for number, text in enumerate(errand.say)]
        if errand.wav:
            self._words.append(errand.wav)
        self._calls: list[Any] = []
        self._player: Any = None
        self._recorder: Any = None
        self._keys = errand.dtmf
        self._heard_agent = False
        self._quiet_since = 0.0
        self._answered_at: float | None = None

    def say(self, text: str) -> None:
        self._tell(f"{time.monotonic() - self._started:7.2f} s  {text}")

    def _speak(self, number: int, text: str) -> Path:
        path = self._folder / f"say{number}.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes(mouth().speak(text, speed=SPEED, hz=8000).tobytes())
        return path

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
            host = "127.0.0.1" if re.search(r"@?(127\.|localhost)", self.errand.target) else ""
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
            self._dial(account)
            self._loop(endpoint)
            self._hang_up()
            self._handle(endpoint, 0.4)
            return self._answered_at is not None
        finally:
            self._player = self._recorder = None
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

    def _handle(self, endpoint: Any, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            endpoint.libHandleEvents(10)

    def _loop(self, endpoint: Any) -> None:
        until = self._started + self.errand.seconds
        while time.monotonic() < until and any(not one.over for one in self._calls):
            self._handle(endpoint, 0.02)
            if self._calls[-1].media is not None and self._take_turn():
                self.say("hanging up")
                return

    def _take_turn(self) -> bool:
        """Speak, press keys, or, when that is done and the agent has answered, be done (True)."""
        now = time.monotonic()
        if self._answered_at is None:
            return False
        if self.errand.after is not None and self._words and len(self._words) == len(self.errand.say):
            if now - self._answered_at >= self.errand.after:
                self._play(self._words.pop(0), now)
            return False
        if now < self._quiet_since:  # it is us who speak
            return False
        if self._calls[-1].media.getTxLevel() > 0:  # what the call gives out, that is, what is heard
            self._heard_agent, self._quiet_since = True, now
            return False
        patience = PAUSE_SECONDS if self._heard_agent else PATIENCE_SECONDS
        if now - self._quiet_since < patience:
            return False
        if self._words:
            self._play(self._words.pop(0), now)
        elif self._keys:
            self.say(f"pressing {self._keys}")
            self._calls[-1].dialDtmf(self._keys)
            self._quiet_since, self._keys, self._heard_agent = now, "", False
        else:
            patience = 3.0 if len(self._calls) > 1 else PATIENCE_SECONDS  # whoever took over may not speak
            return self._heard_agent or now - self._quiet_since > patience
        return False

    def _play(self, path: Path, now: float) -> None:
        with wave.open(str(path)) as file:
            length = file.getnframes() / file.getframerate()
        self.say(f"speaking for {length:.1f} s")
        self._player = self.pj.AudioMediaPlayer()
        self._player.createPlayer(str(path), self.pj.PJMEDIA_FILE_NO_LOOP)
        self._player.startTransmit(self._calls[-1].media)
        self._quiet_since, self._heard_agent = now + length, False

    # from the calls

    def media_ready(self, one: Any) -> None:
        one.media.startTransmit(self._recorder)
        self._quiet_since = time.monotonic()
        if self._answered_at is None:
            self._answered_at = self._quiet_since

    def follow(self, one: Any, prm: Any) -> None:
        self.say(f"REFER to {prm.dstUri}")
        if self.errand.refuse_transfer:
            prm.statusCode = 603
            return
        self._heard_agent, self._quiet_since = False, time.monotonic()
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
