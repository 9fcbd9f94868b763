import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import SdpError
from gateway.sip.message.sdp import parse, serialize
from tests.wire import OFFER


def test_session_and_media_level():
    session = parse(OFFER + b"m=video 0 RTP/AVP 96\r\nc=IN IP6 2001:db8::1\r\na=sendonly\r\n")
    audio, video = session.media
    assert (session.connection, audio.port, audio.formats) == ("192.0.2.10", 4000, ["0", "8", "101"])
    assert audio.values("ptime") == ["20"]
    assert (video.kind, video.connection, video.attributes) == ("video", "2001:db8::1", [("sendonly", "")])
    assert parse(serialize(session)).media[0] == audio


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "v=0"), (b"o=x", "v=0"), (b"v=0\r\nnonsense\r\n", "not a line"), (b"v=0\r\nm=audio x RTP/AVP 0", "port"),
        ("v=0\r\nm=audio ² RTP/AVP 0".encode(), "port"),
        (b"v=0\r\nm=audio 4000", "media line"), (b"v=0\r\nc=IN IP4\r\n", "connection"), (b"v=0\r\n" * 2000, "lines"),
    ],
)  # fmt: skip
def test_what_is_refused(body, says):
    with pytest.raises(SdpError, match=says):
        parse(body)


@given(st.binary(max_size=200).map(lambda data: b"v=0\r\n" + data))
def test_any_body_is_read_or_a_clear_error(body):
    try:
        parse(body)
    except SdpError:
        return
