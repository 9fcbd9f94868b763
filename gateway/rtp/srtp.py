"""Encrypted media (RFC 3711), keyed by SDES (RFC 4568): libsrtp does the work."""

from __future__ import annotations

from collections.abc import Mapping

from pylibsrtp import Error, Policy, Session

PROFILES = {
    "AES_CM_128_HMAC_SHA1_80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
}
"""By the names that SDP gives them."""

TAGS = {"AES_CM_128_HMAC_SHA1_80": 10, "AES_CM_128_HMAC_SHA1_32": 4}
"""Bytes of the authentication tag at the end of a packet; of RTCP it is always 10 (RFC 4568 section 6.2)."""
RTCP_TAG = 10


class Srtp:
    """Both directions of one stream; each side encrypts with a key of its own.

    `remote_keys` are the peer's, by the identifier that its packets carry before their tag (MKI, RFC 3711 section
    3.1); the one key of a peer without identifiers has an empty one. We send none.
    """

    def __init__(self, suite: str, local_key: bytes, remote_keys: Mapping[bytes, bytes]) -> None:
        profile = PROFILES[suite]
        self.suite, self.remote_keys = suite, dict(remote_keys)
        self._mki_bytes, self._tag = len(next(iter(remote_keys))), TAGS[suite]
        self._out = Session(Policy(local_key, Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile))
        self._in = {
            mki: Session(Policy(key, Policy.SSRC_ANY_INBOUND, srtp_profile=profile)) for mki, key in remote_keys.items()
        }

    def protect(self, packet: bytes) -> bytes:
        protected: bytes = self._out.protect(packet)
        return protected

    def protect_rtcp(self, packet: bytes) -> bytes:
        protected: bytes = self._out.protect_rtcp(packet)
        return protected

    def unprotect_rtcp(self, packet: bytes) -> bytes | None:
        try:
            session, data = self._keyed(packet, RTCP_TAG)
            plain: bytes = session.unprotect_rtcp(data)
        except (Error, ValueError, TypeError, KeyError):
            return None
        return plain

    def unprotect(self, packet: bytes) -> bytes | None:
        """None for what was not encrypted with the key, was changed, or came before."""
        try:
            session, data = self._keyed(packet, self._tag)
            plain: bytes = session.unprotect(data)
        except (Error, ValueError, TypeError, KeyError):
            return None
        return plain

    def _keyed(self, packet: bytes, tag: int) -> tuple[Session, bytes]:
        """Whose key it is, and the packet without the identifier, which the tag does not cover. Raises KeyError."""
        if not self._mki_bytes:
            return self._in[b""], packet
        mki, end = packet[-tag - self._mki_bytes : -tag], packet[-tag:]
        return self._in[mki], packet[: -tag - self._mki_bytes] + end
