import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import SipParseError
from gateway.sip.message.framing import PING, StreamFramer
from tests.wire import OFFER, request


@given(st.lists(st.integers(1, 200), max_size=20))
def test_messages_come_whole_however_the_stream_is_cut(cuts):
    first, second = request(transport="TCP", body=OFFER), request("BYE", transport="TCP")
    stream = first + PING + second
    framer, got = StreamFramer(), []
    for cut in [*cuts, len(stream)]:
        got += framer.feed(stream[:cut])
        stream = stream[cut:]
    assert got == [first, PING, second]


@pytest.mark.parametrize(
    "head", [b"OPTIONS sip:h SIP/2.0\r\nX: 1\r\n\r\n", b"OPTIONS sip:h SIP/2.0\r\nl: x\r\n\r\n", b"x" * 70000]
)
def test_a_stream_without_lengths_cannot_be_read_on(head):
    framer = StreamFramer()
    assert framer.feed(head) == []
    assert isinstance(framer.error, SipParseError)
    assert framer.feed(request(transport="TCP")) == []


def test_what_was_whole_before_garbage_is_not_lost_with_it():
    framer, whole = StreamFramer(), request("OPTIONS", transport="TCP")
    assert framer.feed(whole + PING + b"GET / HTTP/1.1\r\n\r\n" + whole) == [whole, PING]
    assert framer.error
