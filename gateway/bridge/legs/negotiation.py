"""What one leg offers and answers, and what came of it (RFC 3264): the side of SDP that lasts as long as the call."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace

from gateway.codecs import Codec
from gateway.errors import SdpError
from gateway.sip import (
    SUITES,
    Agreed,
    AudioFormat,
    Flow,
    LocalMedia,
    accept_answer,
    make_answer,
    make_offer,
    names_in,
    parse_sdp,
)

_VERSION = re.compile(rb"^o=.*\r\n", re.MULTILINE)


class Negotiation:
    """`answer` is the body of our 200: an answer, or an offer where the INVITE held none.

    `check` raises MediaAddressRefused for what media shall not be sent to.
    """

    def __init__(self, codecs: tuple[Codec, ...], ptime_ms: int, srtp: str, check: Callable[[Agreed], None]) -> None:
        self._check = check
        self.agreed: Agreed | None = None
        self.answer = b""
        self.local = LocalMedia(
            host="",
            port=9,
            formats=_formats(codecs),
            session_id=secrets.randbits(31),
            ptime_ms=ptime_ms,
            srtp=srtp,
            srtp_key=secrets.token_bytes(30),
        )

    def use_only(self, codecs: tuple[Codec, ...]) -> None:
        self.local = replace(self.local, formats=_formats(codecs))

    @property
    def spoken(self) -> AudioFormat:
        """What was agreed on, or would be ours to choose."""
        return self.agreed.format if self.agreed else self.local.formats[0]

    def use_port(self, port: int) -> None:
        self.local = replace(self.local, port=port)

    def unknown_names(self, body: bytes) -> set[str]:
        """That stand in a description of the peer's instead of addresses. Raises SdpError."""
        return names_in(parse_sdp(body)) - set(self.local.names) if body else set()

    def know(self, names: Mapping[str, str]) -> None:
        """Their addresses."""
        self.local = replace(self.local, names={**self.local.names, **names})

    def offer(self, flow: Flow, host: str = "") -> bytes:
        """From `host`, or else our address on the way to the peer. Keys that anybody could read are not offered."""
        self.local = replace(self.local, host=host or flow.local[0])
        open_to_all = flow.transport != "tls" and self.local.srtp == "optional"
        return make_offer(replace(self.local, srtp="off") if open_to_all else self.local)

    def take(self, offer: bytes, host: str) -> None:
        """The INVITE's, to that address of ours. Raises SdpError, NoCommonCodec."""
        self.local = replace(self.local, host=host)
        self.answer, self.agreed = self._described(offer)

    def settle_on(self, host: str) -> None:
        """The address of ours that a call is answered from, before its description can be read."""
        self.local = replace(self.local, host=host)

    def answered(self, body: bytes, what: str) -> Agreed:
        """The answer to our offer, which later ones of the same call may leave out. Raises SdpError, NoCommonCodec."""
        if body:
            agreed = accept_answer(parse_sdp(body), self.local)
            self._check(agreed)
            self.agreed = agreed
        if self.agreed is None:
            raise SdpError(f"{what} holds no answer to our offer")
        return self.agreed

    def reoffered(self, offer: bytes) -> tuple[bytes, Agreed | None]:
        """The answer to a re-INVITE, and what changed. Raises SdpError, NoCommonCodec, MediaAddressRefused;
        then all is as it was.
        """
        answer, agreed = self._described(offer)
        if _VERSION.sub(b"", answer) != _VERSION.sub(b"", self.answer):  # the version counts changes (RFC 3264, 8)
            self.local = replace(self.local, version=self.local.version + 1)
            answer, agreed = self._described(offer)
        self.answer, self.agreed = answer, agreed or self.agreed
        return answer, agreed

    def _described(self, offer: bytes) -> tuple[bytes, Agreed | None]:
        """The answer to `offer`; where there is none, an offer of ours, which the ACK will answer."""
        if not offer:
            return make_offer(self.local), None
        answer, agreed = make_answer(parse_sdp(offer), self.local)
        self._check(agreed)
        return answer, agreed

    def direction(self, direction: str) -> LocalMedia | None:
        """What an offer says that changes nothing else; None before anything was agreed on."""
        if self.agreed is None:
            return None
        return replace(
            self.local,
            version=self.local.version + 1,
            formats=(self.agreed.format,),
            direction=direction,
            srtp="required" if self.agreed.crypto else "off",
            protocol=self.agreed.protocol,
            suites=(self.agreed.crypto.suite,) if self.agreed.crypto else SUITES,
        )

    def offered(self, told: LocalMedia) -> None:
        """`told` was sent."""
        self.local = replace(self.local, version=told.version, direction=told.direction)


def offer_of(codecs: tuple[Codec, ...], ptime_ms: int, srtp: str) -> Callable[[Flow], bytes]:
    """What a call of such a leg would offer, without a port of its own."""
    return Negotiation(codecs, ptime_ms, srtp, lambda agreed: None).offer


def _formats(codecs: tuple[Codec, ...]) -> tuple[AudioFormat, ...]:
    return tuple(AudioFormat(one.name, one.clock_hz, one.payload_type) for one in codecs)
