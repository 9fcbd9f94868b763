"""Encrypted media (RFC 3711), keyed by SDES (RFC 4568): libsrtp does the work."""

from __future__ import annotations

from pylibsrtp import Error, Policy, Session

KEY_BYTES = 30
"""Master key of 16 bytes and salt of 14, for every suite here."""

PROFILES = {
    "AES_CM_128_HMAC_SHA1_80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
}
"""By the names that SDP gives them."""


class Srtp:
    """Both directions of one stream; each side encrypts with a key of its own."""

    def __init__(self, suite: str, local_key: bytes, remote_key: bytes) -> None:
        profile = PROFILES[suite]
        self.suite, self.remote_key = suite, remote_key
        self._out = Session(Policy(local_key, Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile))
        self._in = Session(Policy(remote_key, Policy.SSRC_ANY_INBOUND, srtp_profile=profile))

    def protect(self, packet: bytes) -> bytes:
        protected: bytes = self._out.protect(packet)
        return protected

    def protect_rtcp(self, packet: bytes) -> bytes:
        protected: bytes = self._out.protect_rtcp(packet)
        return protected

    def unprotect_rtcp(self, packet: bytes) -> bytes | None:
        try:
            plain: bytes = self._in.unprotect_rtcp(packet)
        except (Error, ValueError, TypeError):
            return None
        return plain

    def unprotect(self, packet: bytes) -> bytes | None:
        """None for what was not encrypted with the key, was changed, or came before."""
        try:
            plain: bytes = self._in.unprotect(packet)
        except (Error, ValueError, TypeError):
            return None
        return plain
