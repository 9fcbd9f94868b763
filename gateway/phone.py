"""`gateway phone`: a telephone on PJSIP, a SIP and media stack that shares nothing with the gateway's own.

What the agent says is printed: as the gateway tells it by its API, or else as the embedded ears hear it.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import queue
import re
import socket
import sys
import tempfile
import threading
import time
import wave
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gateway import events
from gateway.document import Faults
from gateway.errors import ConfigError, SipParseError
from gateway.local.ears import dictate
from gateway.local.mouth import mouth
from gateway.sip import Uri

HZ = 8000
SPEED = 0.85  # of the voice: as clear as people are on a telephone
PAUSE_SECONDS = 1.0
"""Silence of the agent after which it is our turn, and, when all is said, time to hang up."""

PATIENCE_SECONDS = 10.0
"""Longest wait for the agent to say anything."""

Say = Callable[[str], None]


class Follows(Protocol):
    """A gateway that tells what happens in its calls, such as `gateway.cli.remote.Remote`."""

    def follow(self, path: str) -> Iterator[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class PhoneCall:
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
    talk: bool = False


def check(errand: PhoneCall) -> None:
    """What is wrong with it, before anybody is called. Raises ConfigError, with all others in its `more`."""
    faults = Faults()

    def wrong(what: str, problem: str) -> None:
        faults.add(ConfigError(what, problem))

    uri, problem = None, "it is like sip:reception@127.0.0.1:5060"
    if re.match(r"sips?:\S+$", errand.target):
        try:
            uri = Uri.parse(errand.target)
        except SipParseError as error:
            problem = error.problem
    if uri is None:
        wrong(errand.target, f"is not a SIP address: {problem}")
    if uri:
        named = uri.params.get("transport", "").lower() or ("tls" if uri.scheme == "sips" else errand.transport)
        if named != errand.transport:
            wrong(
                errand.target,
                f"wants {named}: call it with --{named}" if named in ("tcp", "tls") else f"no {named} here",
            )
        try:
            socket.getaddrinfo(uri.host.strip("[]"), uri.port or 5060, type=socket.SOCK_DGRAM)
        except OSError as error:
            wrong(errand.target, f"there is no host {uri.host}: {(error.strerror or str(error)).lower()}")
    if errand.wav:
        faults.of(lambda: _length_of(errand.wav) if errand.wav else None)
    if not re.fullmatch(r"[0-9*#A-Da-d]*", errand.dtmf):
        wrong("--dtmf", f"{errand.dtmf!r} has other keys than 0-9 * # A-D")
    if errand.record:
        folder = errand.record.parent
        if errand.record.suffix.lower() != ".wav":
            wrong(str(errand.record), "has to end with .wav")
        elif errand.record.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
            why = "is a folder" if errand.record.is_dir() else f"{folder} is not a folder that can be written"
            wrong(str(errand.record), f"cannot be recorded to: {why}")
    if errand.seconds <= 0:
        wrong("--seconds", "has to be more than 0")
    if errand.after is not None and (errand.after < 0 or not (errand.say or errand.wav)):
        wrong(
            "--after", "has to be 0 or more, and wants --say or --wav" if errand.after < 0 else "wants --say or --wav"
        )
    if not re.fullmatch(r"[\w.+!~*'()&=$,;?/%-]+", errand.caller, re.ASCII):
        wrong("--caller", f"{errand.caller!r} is not the user part of a SIP address")
    if any(not words.strip() for words in errand.say):
        wrong("--say", "is empty")
    if errand.talk:
        faults.of(_sound_device)
    faults.tell()


def _length_of(path: Path) -> float:
    """Seconds of a WAV that can be played. Raises ConfigError."""
    try:
        with wave.open(str(path)) as file:
            kind = file.getsampwidth(), file.getnchannels()
            if kind != (2, 1) or not file.getnframes():
                raise ConfigError(
                    str(path), f"is not a WAV of 16 bits and one channel, but of {8 * kind[0]} and {kind[1]}"
                )
            return float(file.getnframes() / file.getframerate())
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {(error.strerror or str(error)).lower()}") from error
    except (wave.Error, EOFError) as error:
        raise ConfigError(str(path), f"is not a WAV: {str(error) or 'it ends too early'}") from error


def _sound_device() -> Any:
    """Raises ConfigError."""
    try:
        import sounddevice
    except ImportError as error:
        raise ConfigError("--talk", "needs sounddevice: pip install 'voice-agent-gateway[talk]'") from error
    except Exception as error:  # PortAudio itself is the system's, and may fail in its own ways
        raise ConfigError("--talk", f"needs PortAudio (libportaudio2) and sound: {error}") from error
    try:
        sounddevice.check_input_settings(channels=1, dtype="int16", samplerate=HZ)
        sounddevice.check_output_settings(channels=1, dtype="int16", samplerate=HZ)
    except (sounddevice.PortAudioError, ValueError) as error:
        raise ConfigError("--talk", f"there is no microphone or no loudspeaker: {error}") from error
    return sounddevice


def call(errand: PhoneCall, say: Say, gateway: Follows | None = None) -> bool:
    """Do it, telling of every step; True when the call was answered. Raises ConfigError.

    `gateway` may know what the agent says.
    """
    try:
        import pjsua2
    except ImportError as error:
        raise ConfigError(
            "gateway phone", "needs pjsua2-python, whose wheels are for Python 3.11 and 3.12 on Linux x86-64; "
            "install the 'phone' extra there, or call with any softphone"
        ) from error  # fmt: skip
    check(errand)
    with tempfile.TemporaryDirectory(prefix="gateway-phone-") as folder:
        try:
            return _Phone(pjsua2, errand, say, Path(folder), gateway).run()
        except pjsua2.Error as error:
            raise ConfigError(errand.target, f"cannot be called: {error.reason}") from error


class _Phone:
    def __init__(self, pj: Any, errand: PhoneCall, say: Say, folder: Path, gateway: Follows | None) -> None:
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
        self._words_of = _Words(self.say, gateway)
        self._port: Any = None  # to the microphone and the loudspeaker
        self._streams: list[Any] = []

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
            return self._answered_at is not None
        finally:
            for stream in self._streams:
                stream.close()
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
        device, said, heard = _sound_device(), queue.SimpleQueue[bytes](), queue.SimpleQueue[bytes]()

        def from_microphone(data: Any, frames: int, when: Any, status: Any) -> None:
            if said.qsize() < 10:  # more would be a delay that is never made up for
                said.put(bytes(data))

        def to_loudspeaker(data: Any, frames: int, when: Any, status: Any) -> None:
            while heard.qsize() > 10:
                heard.get()
            data[:] = heard.get() if heard.qsize() else bytes(len(data))

        self._port = _port_class(self.pj)("talk", heard.put, lambda: said.get() if said.qsize() else b"")
        options = {"samplerate": HZ, "blocksize": HZ // 50, "channels": 1, "dtype": "int16"}
        self._streams = [
            device.RawInputStream(callback=from_microphone, **options),
            device.RawOutputStream(callback=to_loudspeaker, **options),
        ]
        for stream in self._streams:
            stream.start()
        self.say("speak; Ctrl-C hangs up")

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
        if self.errand.talk:
            if self._calls[-1].media.getTxLevel() > 0:
                self._quiet_since = now
            elif now - self._quiet_since > PAUSE_SECONDS / 2:
                self._words_of.pause()
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
        if now - self._quiet_since > PAUSE_SECONDS / 2:
            self._words_of.pause()
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
        length = _length_of(path)
        self.say(f"speaking for {length:.1f} s")
        self._player = self.pj.AudioMediaPlayer()
        self._player.createPlayer(str(path), self.pj.PJMEDIA_FILE_NO_LOOP)
        self._player.startTransmit(self._calls[-1].media)
        self._quiet_since, self._heard_agent = now + length, False

    # from the calls

    def media_ready(self, one: Any) -> None:
        one.media.startTransmit(self._recorder)
        one.media.startTransmit(self._listener)
        if self._port:
            one.media.startTransmit(self._port)
            self._port.startTransmit(one.media)
        self._quiet_since = time.monotonic()
        if self._answered_at is None:
            self._answered_at = self._quiet_since

    def known_as(self, sip_call_id: str) -> None:
        self._words_of.known_as(sip_call_id)

    def follow(self, one: Any, prm: Any) -> None:
        self.say(f"REFER to {prm.dstUri}")
        if self.errand.refuse_transfer:
            prm.statusCode = 603
            return
        self._heard_agent, self._quiet_since = False, time.monotonic()
        self._calls.append(_call_class(self.pj)(one.account, self))
        prm.newCall = self._calls[-1]


class _Words:
    """What the agent says, printed: by the API of the gateway that has the call, or by the ears of this machine."""

    def __init__(self, say: Say, gateway: Follows | None) -> None:
        self._say, self._gateway = say, gateway
        self._sip_call_ids, self._call_ids = set[str](), set[str]()  # of a call, and of the one that follows it
        self._told = False  # by the API
        self._audio = bytearray()
        self._loud = False
        self._ears = ThreadPoolExecutor(1, "ears")
        if gateway:
            threading.Thread(target=self._follow, args=(gateway,), daemon=True, name="words").start()

    def known_as(self, sip_call_id: str) -> None:
        self._sip_call_ids.add(sip_call_id)

    def _follow(self, gateway: Follows) -> None:
        with contextlib.suppress(ConfigError, OSError, ValueError):  # none is there, or it wants a key: ears will do
            for event in gateway.follow("/v1/events"):
                record = event.get("record") or {}
                if record.get("sip_call_id") in self._sip_call_ids:
                    self._call_ids.add(event["call_id"])
                    self._told = True
                if event["type"] == events.Transcript.type and event["call_id"] in self._call_ids:
                    who = "agent" if event["data"]["role"] == "assistant" else "heard of you"
                    self._say(f"{who}: {event['data']['text']}")

    def hear(self, frame: bytes) -> None:
        """20 ms, from a thread of the library's."""
        self._audio += frame

    def pause(self) -> None:
        """The agent is silent: what it has said is a whole."""
        audio, self._audio = bytes(self._audio), bytearray()
        if self._told or len(audio) < HZ:  # half a second
            return
        samples = np.frombuffer(audio[: len(audio) // 2 * 2], "<i2")
        if np.abs(samples).max() > 500:
            self._ears.submit(self._understand, samples)

    def _understand(self, samples: Any) -> None:
        if (words := dictate(samples, HZ)) and not self._told:
            self._say(f"agent, as a machine hears it: {words}")

    def close(self) -> None:
        self.pause()
        self._ears.shutdown()


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
