import asyncio

import pytest
from aiortc.rtp import RtpPacket

from gateway.rtp import MediaSettings, PortPool, Stream, open_session
from gateway.rtp.srtp import PROFILES, Srtp

ONE, TWO = bytes(range(30)), bytes(range(100, 100 + 30))


def packet(number, payload=b"x" * 160):
    return RtpPacket(
        payload_type=0, sequence_number=number, timestamp=number * 160, ssrc=7, payload=payload
    ).serialize()


@pytest.mark.parametrize(("suite", "longer"), [("AES_CM_128_HMAC_SHA1_80", 10), ("AES_CM_128_HMAC_SHA1_32", 4)])
def test_what_one_side_protects_the_other_reads(suite, longer):
    assert suite in PROFILES
    a, b = Srtp(suite, ONE, {b"": TWO}), Srtp(suite, TWO, {b"": ONE})
    for number in range(5):
        hidden = a.protect(packet(number))
        assert len(hidden) == len(packet(number)) + longer
        assert b"x" * 16 not in hidden
        assert b.unprotect(hidden) == packet(number)


def test_what_was_changed_repeated_or_never_encrypted_is_nothing():
    a, b = (Srtp("AES_CM_128_HMAC_SHA1_80", *keys) for keys in ((ONE, {b"": TWO}), (TWO, {b"": ONE})))
    hidden = a.protect(packet(1))
    assert b.unprotect(hidden[:-1] + bytes([hidden[-1] ^ 1])) is None
    assert b.unprotect(packet(1)) is None
    assert b.unprotect(b"") is None
    assert b.unprotect(b"\x80" * 40) is None
    assert b.unprotect(hidden) == packet(1)
    assert b.unprotect(hidden) is None


@pytest.mark.parametrize(("suite", "tag"), [("AES_CM_128_HMAC_SHA1_80", 10), ("AES_CM_128_HMAC_SHA1_32", 4)])
def test_packets_that_name_their_key_are_read_by_it(suite, tag):
    """RFC 3711 section 3.1: the identifier stands before the tag, which does not cover it."""
    first, second = Srtp(suite, ONE, {b"": TWO}), Srtp(suite, TWO, {b"": ONE})
    reader = Srtp(suite, TWO, {b"\0\0\0\1": ONE, b"\0\0\0\2": TWO})
    for number, (sender, mki) in enumerate(((first, b"\0\0\0\1"), (second, b"\0\0\0\2"))):
        hidden = sender.protect(packet(number))
        assert reader.unprotect(hidden[:-tag] + mki + hidden[-tag:]) == packet(number)
        report = sender.protect_rtcp(b"\x80\xc9\0\1\0\0\0\7")
        assert reader.unprotect_rtcp(report[:-10] + mki + report[-10:]) == b"\x80\xc9\0\1\0\0\0\7"
    assert reader.unprotect(first.protect(packet(9))) is None
    assert reader.unprotect(b"\x80") is None


class Ear:
    def __init__(self):
        self.heard = []

    def audio(self, payload):
        self.heard.append(payload)

    def gap(self, gap):
        pass

    def digit(self, digit):
        pass

    def switch(self, payload_type):
        pass


async def test_a_session_with_keys_hears_nobody_without():
    ports = PortPool(31200, 31299, asyncio.get_running_loop().time)
    ear = Ear()
    sender, plain, receiver = [await open_session(MediaSettings(), ports, ear) for _ in range(3)]
    to = ("127.0.0.1", receiver.port)
    receiver.update(Stream(0, None, ("127.0.0.1", sender.port), True, Srtp("AES_CM_128_HMAC_SHA1_80", TWO, {b"": ONE})))
    sender.update(Stream(0, None, to, True, Srtp("AES_CM_128_HMAC_SHA1_80", ONE, {b"": TWO})))
    plain.update(Stream(0, None, to))
    for _ in range(10):
        plain.send(b"p" * 160, True)
    for _ in range(3):
        sender.send(b"s" * 160, True)
    async with asyncio.timeout(5):
        while len(ear.heard) < 3:
            await asyncio.sleep(0.01)
    assert ear.heard == [b"s" * 160] * 3
    assert receiver.stats()["received_garbage"] == 10
    assert receiver.stats()["srtp"] == "AES_CM_128_HMAC_SHA1_80"
    for one in (sender, plain, receiver):
        one.close()
