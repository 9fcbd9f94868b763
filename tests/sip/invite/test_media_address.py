import pytest

from gateway.sip.invite.media_address import names_in
from gateway.sip.message.sdp import parse

SDP = "v=0\r\no=p 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 {}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n{}"


@pytest.mark.parametrize(
    ("session", "section", "names"),
    [
        ("192.0.2.1", "", set()),
        ("localhost", "", {"localhost"}),
        ("media.example.", "c=IN IP4 other.example\r\n", {"media.example.", "other.example"}),
        ("192.0.2.1", "a=rtcp:39001 IN IP4 reports.example\r\n", {"reports.example"}),
        ("192.0.2.1", "a=rtcp:39001\r\n", set()),
        ("127.1", "", set()),
        ("0x7f.1", "", set()),
        ("a" * 64 + ".example", "", set()),
        ("bad..example", "", set()),
    ],
)
def test_what_has_to_be_looked_up(session, section, names):
    assert names_in(parse(SDP.format(session, section).encode())) == names


def test_not_for_media_that_is_refused():
    assert (
        names_in(parse(SDP.format("192.0.2.1", "m=video 0 RTP/AVP 31\r\nc=IN IP4 cam.example\r\n").encode())) == set()
    )
