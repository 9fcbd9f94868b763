import pytest

from gateway.bridge.legs.negotiation import Negotiation
from gateway.codecs import CODECS
from gateway.errors import NoCommonCodec, SdpError
from gateway.sip import Flow, make_offer, parse_sdp

ALL = (CODECS["G722"], CODECS["PCMU"], CODECS["PCMA"])


def peer(*names):
    return Negotiation(tuple(CODECS[name] for name in names), 20, "off", lambda agreed: None)


def talk(ours=ALL, theirs=("PCMU",)):
    one, other = Negotiation(ours, 20, "off", lambda agreed: None), peer(*theirs)
    other.use_port(4000)
    one.use_port(5000)
    one.take(other.offer(Flow("udp", ("192.0.2.9", 5060), ("192.0.2.2", 5060))), "192.0.2.1")
    return one, other


@pytest.mark.parametrize(
    ("theirs", "agreed"), [(["PCMU"], "PCMU"), (["G722", "PCMA"], "G722"), (["PCMA", "G722"], "PCMA")]
)
def test_the_callers_order_counts(theirs, agreed):
    one, other = talk(theirs=theirs)
    assert one.spoken.name == agreed
    assert other.answered(one.answer, "the 200").format.name == agreed
    assert one.agreed.remote == ("192.0.2.2", 4000)


def test_a_wide_band_is_not_for_who_has_none():
    with pytest.raises(NoCommonCodec):
        talk(ours=ALL[1:], theirs=["G722"])


def test_an_answer_may_be_left_out_once_one_has_come():
    one = peer("PCMU")
    one.offer(Flow("udp", ("192.0.2.9", 5060), ("192.0.2.1", 5060)))
    with pytest.raises(SdpError, match="the 200 holds no answer"):
        one.answered(b"", "the 200")
    answer = talk(theirs=["PCMU"])[0].answer
    early = one.answered(answer, "the 183")
    assert one.answered(b"", "the 200") is early


def test_the_version_counts_changes_only():
    one, other = talk(theirs=["PCMU", "PCMA"])
    offer = other.offer(Flow("udp", ("192.0.2.9", 5060), ("192.0.2.2", 5060)))
    answer, _ = one.reoffered(offer)
    assert answer == one.answer
    assert one.local.version == 1
    held = other.direction("sendonly") or other.local
    answer, agreed = one.reoffered(make_offer(held).replace(b"sendrecv", b"sendonly"))
    assert one.local.version == 2
    assert (agreed.send, agreed.receive) == (False, True)
    assert b"recvonly" in answer


def test_an_offer_that_does_not_fit_changes_nothing():
    one, _ = talk()
    before = one.answer, one.agreed, one.local
    with pytest.raises(NoCommonCodec):
        one.reoffered(one.answer.replace(b"RTP/AVP 0", b"RTP/AVP 18").replace(b"rtpmap:0 PCMU", b"rtpmap:18 G729"))
    assert (one.answer, one.agreed, one.local) == before


def test_a_hold_offers_what_is_spoken_and_no_more():
    one, _ = talk(theirs=["PCMA", "PCMU"])
    told = one.direction("sendonly")
    assert parse_sdp(make_offer(told)).media[0].formats[0] == "8"
    one.offered(told)
    assert [row.name for row in one.local.formats] == ["G722", "PCMU", "PCMA"]
    assert one.local.version == 2
    assert Negotiation(ALL, 20, "off", lambda agreed: None).direction("sendonly") is None
