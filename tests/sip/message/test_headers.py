import pytest

from gateway.errors import SipParseError
from gateway.sip.message.headers import CSeq, NameAddr, Via


@pytest.mark.parametrize(
    ("text", "display", "uri", "tag"),
    [
        ('"A, \\"B\\" <x>" <sip:a@h;lr>;tag=1', 'A, "B" <x>', "sip:a@h;lr", "1"),
        ("Bob <sip:b@h>", "Bob", "sip:b@h", ""),
        ("sip:c@h;tag=9", "", "sip:c@h", "9"),  # without brackets the parameter is the header's (section 20.10)
        ("<tel:+1555>;TAG=x", "", "tel:+1555", "x"),
    ],
)
def test_addresses(text, display, uri, tag):
    address = NameAddr.parse(text)
    assert (address.display, str(address.uri), address.tag) == (display, uri, tag)
    assert NameAddr.parse(str(address)) == address


@pytest.mark.parametrize("text", ["", "<sip:a@h", '"open <sip:a@h>', "<sip:a@h> trailing", "nobody"])
def test_what_is_no_address(text):
    with pytest.raises(SipParseError):
        NameAddr.parse(text)


def test_via_as_it_comes():
    via = Via.parse("SIP / 2.0 / udp  [2001:db8::9]:5070 ; branch=z9hG4bK1 ;rport")
    assert (via.transport, via.host, via.port, via.branch) == ("UDP", "2001:db8::9", 5070, "z9hG4bK1")
    assert via.sent_by == "[2001:db8::9]:5070"
    with pytest.raises(SipParseError):
        Via.parse("HTTP/1.1 h")


def test_cseq_is_below_two_to_the_31():
    assert str(CSeq.parse(" 7   INVITE")) == "7 INVITE"
    for text in ("INVITE", "x INVITE", f"{2**31} INVITE", "1 "):
        with pytest.raises(SipParseError):
            CSeq.parse(text)
