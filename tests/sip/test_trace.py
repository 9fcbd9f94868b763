from gateway.sip.trace import MAX_MESSAGES, Trace, readable
from tests.wire import UDP, request


def invite(number):
    return request().replace(b"one@", b"%d@" % number)


def test_what_belongs_to_a_call_is_remembered_in_order():
    trace = Trace(10)
    trace.note(1.0, "received", invite(1), UDP)
    trace.note(2.0, "sent", b"SIP/2.0 180 Ringing\r\nCall-ID: 1@192.0.2.10\r\n\r\n", UDP)
    trace.note(3.0, "received", invite(2), UDP)
    assert [(one.at, one.what, one.message[:6]) for one in trace.of("1@192.0.2.10")] == [
        (1.0, "received", "INVITE"), (2.0, "sent", "SIP/2."),
    ]  # fmt: skip
    assert trace.of("nobody") == []


def test_health_checks_and_keepalives_are_of_no_call():
    trace = Trace(10)
    trace.note(1.0, "received", request("OPTIONS"), UDP)
    trace.note(1.0, "received", b"\r\n\r\n", UDP)
    assert trace.of("one@192.0.2.10") == []


def test_calls_and_messages_are_bounded():
    trace = Trace(2)
    for number in range(5):
        trace.note(1.0, "received", invite(number), UDP)
    for _ in range(MAX_MESSAGES + 10):
        trace.note(2.0, "received", invite(4), UDP)
    assert trace.of("2@192.0.2.10") == []
    assert len(trace.of("4@192.0.2.10")) == MAX_MESSAGES
    off = Trace(0)
    off.note(1.0, "received", invite(1), UDP)
    assert off.of("1@192.0.2.10") == []


def test_credentials_and_keys_are_left_out():
    data = b'Authorization: Digest response="x"\r\nWWW-Authenticate: y\r\n\r\na=crypto:1 AES inline:key\r\n'
    assert readable(data) == "Authorization: ***\r\nWWW-Authenticate: ***\r\n\r\na=crypto: ***\r\n"


def test_keys_are_nobodys_business():
    data = b"INFO sip:a SIP/2.0\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal=4\r\nDuration=160\r\n"
    assert "4\r" not in readable(data)
    assert "Signal= ***\r\nDuration=160" in readable(data)
