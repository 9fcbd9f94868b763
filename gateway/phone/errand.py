"""What `gateway phone` is asked to do, and what may be wrong with that."""

from __future__ import annotations

import os
import re
import socket
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.document import Faults
from gateway.errors import ConfigError, SipParseError
from gateway.sip import Uri
from gateway.sip.transport import local_host_for

HZ = 8000


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
    stack: str = "auto"  # pjsip, own


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
        faults.of(lambda: length_of(errand.wav) if errand.wav else None)
    if not re.fullmatch(r"[0-9*#A-Da-d]*", errand.dtmf):
        wrong("--dtmf", f"{errand.dtmf!r} has other keys than 0-9 * # A-D")
    if errand.record:
        folder = errand.record.parent
        if errand.record.suffix.lower() != ".wav":
            wrong(str(errand.record), "has to end with .wav")
        elif errand.record.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
            why = "is a folder" if errand.record.is_dir() else f"{folder} is not a folder that can be written"
            wrong(str(errand.record), f"cannot be recorded to: {why}")
    if errand.stack not in ("auto", "pjsip", "own"):
        wrong("--stack", f"has to be one of auto, pjsip, own, not {errand.stack!r}")
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
        faults.of(sound_device)
    faults.tell()


def own_address_towards(host: str) -> str:
    """Our address on the way to a host, which `check` has found."""
    found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_DGRAM)[0][4][0]
    return local_host_for("", str(found))


def length_of(path: Path) -> float:
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


def sound_device() -> Any:
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
