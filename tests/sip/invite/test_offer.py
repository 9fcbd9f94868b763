from binascii import b2a_base64
from dataclasses import replace

import pytest

from gateway.errors import MediaAddressRefused, NoCommonCodec, SdpError
from gateway.sip.invite.offer import SUITES, AudioFormat, Crypto, LocalMedia, accept_answer, make_answer, make_offer
from gateway.sip.message.sdp import parse
from tests.wire import OFFER

PCMU, PCMA = AudioFormat("PCMU", 8000, 0), AudioFormat("PCMA", 8000, 8)
LOCAL = LocalMedia("192.0.2.1", 20000, (PCMU, PCMA), session_id=7)


def offer(media, session=b"c=IN IP4 192.0.2.10\r\n"):
    return parse(b"v=0\r\no=p 1 1 IN IP4 h\r\ns=-\r\n" + session + b"t=0 0\r\n" + media)


def test_the_first_codec_of_the_offer_that_is_spoken_here_wins():
    body, agreed = make_answer(offer(b"m=audio 4000 RTP/AVP 18 8 0\r\n"), LOCAL)
    assert agreed.format == PCMA
    assert agreed.remote == ("192.0.2.10", 4000)
    assert parse(body).media[0].formats == ["8"]
    assert b"o=gateway 7 1 IN IP4 192.0.2.1" in body


def test_dynamic_types_keep_the_numbers_of_the_offer():
    media = b"m=audio 4000 RTP/AVP 97 110\r\na=rtpmap:97 pcmu/8000/1\r\na=rtpmap:110 telephone-event/8000\r\n"
    _, agreed = make_answer(offer(media), LOCAL)
    assert (agreed.format.payload_type, agreed.dtmf_payload_type) == (97, 110)


def test_no_dtmf_in_the_offer_none_in_the_answer():
    body, agreed = make_answer(offer(b"m=audio 4000 RTP/AVP 0\r\n"), LOCAL)
    assert agreed.dtmf_payload_type is None
    assert b"telephone-event" not in body


def test_other_media_are_refused_in_their_place():
    media = b"m=video 9 RTP/AVP 96\r\nm=audio 4000 RTP/AVP 0\r\nm=audio 4002 RTP/AVP 8\r\nm=image 5 udptl t38\r\n"
    body, _ = make_answer(offer(media), LOCAL)
    assert [(one.kind, one.port) for one in parse(body).media] == [
        ("video", 0),
        ("audio", 20000),
        ("audio", 0),
        ("image", 0),
    ]


@pytest.mark.parametrize(
    ("attribute", "session", "send", "receive", "answer"),
    [
        (b"", b"c=IN IP4 192.0.2.10\r\n", True, True, b"a=sendrecv"),
        (b"a=sendonly\r\n", b"c=IN IP4 192.0.2.10\r\n", False, True, b"a=recvonly"),
        (b"a=recvonly\r\n", b"c=IN IP4 192.0.2.10\r\n", True, False, b"a=sendonly"),
        (b"a=inactive\r\n", b"c=IN IP4 192.0.2.10\r\n", False, False, b"a=inactive"),
        (b"", b"c=IN IP4 192.0.2.10\r\na=sendonly\r\n", False, True, b"a=recvonly"),
        (b"", b"c=IN IP4 0.0.0.0\r\n", False, True, b"a=recvonly"),  # a hold of RFC 2543
    ],
)
def test_holds(attribute, session, send, receive, answer):
    body, agreed = make_answer(offer(b"m=audio 4000 RTP/AVP 0\r\n" + attribute, session), LOCAL)
    assert (agreed.send, agreed.receive) == (send, receive)
    assert answer in body


@pytest.mark.parametrize(
    "media", [b"", b"m=audio 4000 RTP/AVP 18\r\n", b"m=audio 0 RTP/AVP 0\r\n", b"m=audio 4000 RTP/SAVP 0\r\n"]
)
def test_nothing_in_common(media):
    with pytest.raises(NoCommonCodec, match="PCMU, PCMA"):
        make_answer(offer(media), LOCAL)


def test_an_offer_says_where_to_send():
    with pytest.raises(SdpError, match="c="):
        make_answer(offer(b"m=audio 4000 RTP/AVP 0\r\n", b""), LOCAL)


def test_our_offer_and_its_answer():
    ours = parse(make_offer(LOCAL))
    assert ours.media[0].formats == ["0", "8", "101"]
    assert accept_answer(parse(OFFER), LOCAL).format == PCMU
    with pytest.raises(NoCommonCodec):
        accept_answer(offer(b"m=audio 0 RTP/AVP 0\r\n"), LOCAL)


KEY = bytes(range(30))
LINE = b2a_base64(KEY, newline=False).decode()
SECURE = replace(LOCAL, srtp="optional", srtp_key=bytes(30))


def secured(*lines):
    attributes = "".join(f"a=crypto:{line}\r\n" for line in lines)
    return offer(f"m=audio 4000 RTP/SAVP 0\r\n{attributes}".encode())


def test_srtp_takes_the_first_suite_that_is_spoken_here_and_answers_with_a_key_of_its_own():
    lines = (f"1 AEAD_AES_256_GCM inline:{LINE}", f"2 AES_CM_128_HMAC_SHA1_32 inline:{LINE}|2^31 UNENCRYPTED_SRTCP")
    body, agreed = make_answer(secured(*lines), SECURE)
    assert agreed.crypto == Crypto("2", "AES_CM_128_HMAC_SHA1_32", {b"": KEY})
    media = parse(body).media[0]
    assert media.protocol == "RTP/SAVP"
    assert media.values("crypto") == [
        f"2 AES_CM_128_HMAC_SHA1_32 inline:{b2a_base64(SECURE.key_of(SUITES[1]), newline=False).decode()}"
    ]


@pytest.mark.parametrize(
    "line", ["", "1 NO_SUCH_SUITE inline:x", f"1 AES_CM_128_HMAC_SHA1_80 inline:{LINE}|x",
             f"1 AES_CM_128_HMAC_SHA1_80 inline:{LINE} UNENCRYPTED_SRTP",
             f"1 AES_CM_128_HMAC_SHA1_80 inline:{LINE} KDR=1",
             f"1 AES_CM_128_HMAC_SHA1_80 inline:{LINE}|1:4;inline:{LINE}|2:2",
             f"1 AES_CM_128_HMAC_SHA1_80 inline:{LINE}|300:1", f"1 AES_CM_128_HMAC_SHA1_80 inline:{LINE}|1:200",
             "1 AES_CM_128_HMAC_SHA1_80 inline:AAAA",
             "1 AES_CM_128_HMAC_SHA1_80 inline:A", f"1 AES_CM_128_HMAC_SHA1_80 {LINE}"]
)  # fmt: skip
def test_keys_that_are_of_no_use(line):
    with pytest.raises(NoCommonCodec):
        make_answer(secured(line), SECURE)


def test_off_and_required():
    line = f"1 AES_CM_128_HMAC_SHA1_80 inline:{LINE}"
    with pytest.raises(NoCommonCodec):
        make_answer(secured(line), LOCAL)
    required = replace(SECURE, srtp="required")
    assert make_answer(secured(line), required)[1].crypto is not None
    with pytest.raises(NoCommonCodec, match="PCMU/8000 without SRTP"):
        make_answer(parse(OFFER), required)
    assert make_answer(parse(OFFER), SECURE)[1].crypto is None
    ours = parse(make_offer(required)).media[0]
    first, second = ours.values("crypto")
    assert (ours.protocol, first[:26], second[:26]) == ("RTP/SAVP", f"1 {SUITES[0]} ", f"2 {SUITES[1]} ")
    assert first[26:] != second[26:]  # each has a key of its own (RFC 4568 section 6.1)
    assert accept_answer(secured(line), required).crypto.keys == {b"": KEY}


def test_where_it_is_optional_an_offer_of_plain_rtp_has_keys_that_may_be_taken_or_left():
    """RFC 8643."""
    ours = parse(make_offer(SECURE)).media[0]
    assert (ours.protocol, len(ours.values("crypto"))) == ("RTP/AVP", 2)
    taken = offer(f"m=audio 4000 RTP/AVP 0\r\na=crypto:2 {SUITES[1]} inline:{LINE}\r\n".encode())
    agreed = accept_answer(taken, SECURE)
    assert (agreed.crypto.suite, agreed.protocol) == (SUITES[1], "RTP/AVP")
    assert accept_answer(parse(OFFER), SECURE).crypto is None
    answer = parse(make_answer(taken, SECURE)[0]).media[0]  # and the other way round
    assert (answer.protocol, answer.values("crypto")[0][:26]) == ("RTP/AVP", f"2 {SUITES[1]} ")
    assert make_answer(taken, LOCAL)[1].crypto is None  # off: the keys are passed over


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        (b"", 20),
        (b"a=ptime:10\r\n", 10),
        (b"a=ptime:30\r\n", 30),
        (b"a=ptime:60\r\n", 60),
        (b"a=ptime:200\r\n", 60),  # no longer than that
        (b"a=ptime:25\r\n", 20),
        (b"a=ptime:5\r\n", 10),
        (b"a=ptime:40\r\na=maxptime:30\r\n", 30),
        (b"a=maxptime:10\r\n", 10),
        (b"a=maxptime:150\r\n", 20),
        (b"a=ptime:0\r\n", 20),
        (b"a=ptime:many\r\n", 20),
        ("a=ptime:²\r\n".encode(), 20),
        (b"a=ptime:" + b"9" * 5000 + b"\r\n", 20),
        (b"a=ptime: 40 \r\n", 40),
    ],
)
def test_how_long_packets_are_is_for_who_gets_them_to_say(asked, sent):
    body, agreed = make_answer(offer(b"m=audio 4000 RTP/AVP 0\r\n" + asked), LOCAL)
    assert agreed.ptime_ms == sent
    assert b"a=ptime:20" in body  # what we would like ourselves
    assert b"a=ptime:30" in make_answer(offer(b"m=audio 4000 RTP/AVP 0\r\n"), replace(LOCAL, ptime_ms=30))[0]


@pytest.mark.parametrize(
    ("material", "keys"),
    [
        (f"inline:{LINE}|2^31|1:4", {b"\0\0\0\1": KEY}),
        (f"inline:{LINE}|1:4", {b"\0\0\0\1": KEY}),
        (f"inline:{LINE}|1048576", {b"": KEY}),
        (f"inline:{LINE}|2^20|7:1;inline:{LINE}|2^20|8:1", {b"\7": KEY, b"\x08": KEY}),
    ],
)
def test_lifetime_and_identifier_of_a_key(material, keys):
    """RFC 4568 section 6.1."""
    agreed = make_answer(secured(f"1 AES_CM_128_HMAC_SHA1_80 {material}"), SECURE)[1]
    assert agreed.crypto.keys == keys


@pytest.mark.parametrize("mki", ["1:999999999", "1:", "\u00b2:4", "1:\u0664", "9" * 400 + ":128", "300:1", "-1:4"])
def test_an_identifier_that_cannot_be_is_no_key_and_no_gigabyte(mki):
    with pytest.raises(NoCommonCodec):
        make_answer(secured(f"1 AES_CM_128_HMAC_SHA1_80 inline:{LINE}|{mki}"), replace(SECURE, srtp="required"))


@pytest.mark.parametrize(
    "line", ["a=rtpmap:² PCMU/8000", "a=rtpmap:96 telephone-event/²", "a=rtcp:²", "a=rtpmap:96 x/" + "9" * 5000]
)
def test_digits_of_other_scripts_are_none(line):
    body = f"m=audio 4000 RTP/AVP 0 ² 96\r\n{line}\r\n".encode()
    assert make_answer(offer(body), LOCAL)[1].format == PCMU


def test_of_several_formats_in_an_answer_any_may_come_and_keys_by_either_type():
    media = b"m=audio 4000 RTP/AVP 8 0 96\r\na=rtpmap:96 telephone-event/8000\r\n"
    agreed = accept_answer(offer(media), LOCAL)
    assert (agreed.format, agreed.others) == (PCMA, (PCMU,))
    assert agreed.dtmf_payload_type == 96
    assert agreed.dtmf_types == {96, 101}
    assert make_answer(offer(media), LOCAL)[1].dtmf_types == {96}


def at(line, extra=b""):
    return offer(b"m=audio 4000 RTP/AVP 0\r\n" + extra, session=b"c=" + line + b"\r\n")


@pytest.mark.parametrize(
    ("line", "warning"),
    [
        (b"IN IP6 ::1", 300),
        (b"IN IP6 2001:db8::7", 300),
        (b"IN IP4 127.1", 301),
        (b"IN IP4 010.0.0.1", 301),
        (b"IN IP4 256.0.0.1", 301),
        (b"IN IP4 0x7f.1", 301),
        (b"IN IP4 1", 301),
        (b"IN IP4 no.such.host.example", 301),
        (b"IN IP4 -x.example", 301),
        (b"IN IP4 224.2.17.12/127", 330),
        (b"IN IP4 255.255.255.255", 399),
        (b"IN IP4 240.0.0.1", 399),
        (b"IN IP4 0.0.0.1", 399),
    ],
)
def test_an_address_that_media_cannot_go_to_is_refused_where_sdp_has_it(line, warning):
    for read in (make_answer, accept_answer):
        with pytest.raises(MediaAddressRefused) as refused:
            read(at(line), LOCAL)
        assert refused.value.warning == warning
        with pytest.raises(MediaAddressRefused):  # also where only the section says so
            read(at(b"IN IP4 192.0.2.10", b"c=" + line + b"\r\n"), LOCAL)


def test_a_section_that_can_be_reached_is_taken_instead():
    media = b"m=audio 4000 RTP/AVP 0\r\nc=IN IP6 ::1\r\nm=audio 5000 RTP/AVP 0\r\nc=IN IP4 192.0.2.10\r\n"
    body, agreed = make_answer(offer(media), LOCAL)
    assert agreed.remote == ("192.0.2.10", 5000)
    assert [one.port for one in parse(body).media] == [0, 20000]


def test_names_are_what_they_were_found_to_be_and_addresses_have_one_spelling():
    named = replace(LOCAL, names={"media.example": "192.0.2.44"})
    agreed = make_answer(at(b"IN IP4 media.example", b"a=rtcp:5000 IN IP4 media.example\r\n"), named)[1]
    assert (agreed.remote, agreed.rtcp) == (("192.0.2.44", 4000), ("192.0.2.44", 5000))
    six = replace(LOCAL, host="2001:db8::1")
    assert make_answer(at(b"IN IP6 2001:DB8:0:0::7"), six)[1].remote[0] == "2001:db8::7"
    with pytest.raises(MediaAddressRefused) as refused:
        make_answer(at(b"IN IP4 192.0.2.10"), six)
    assert refused.value.warning == 300


@pytest.mark.parametrize(
    "rtcp", [b"39001 IN IP4 localhost", b"39001 IN IP6 ::1", b"0", b"99999", b"x", b"", b"5000 IN IP4 0.0.0.0"]
)
def test_an_rtcp_address_that_is_none_costs_no_call(rtcp):
    assert make_answer(at(b"IN IP4 192.0.2.10", b"a=rtcp:" + rtcp + b"\r\n"), LOCAL)[1].rtcp is None
