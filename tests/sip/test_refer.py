"""A transfer is what the NOTIFYs say (RFC 3515)."""

import pytest

from gateway.sip.refer import Referral, State
from tests.wire import Wire, answered, request


def transferring(wire):
    incoming = answered(wire)
    (refer,) = wire.act(lambda now: incoming.session.refer("sip:billing@192.0.2.1", now))
    assert refer.headers.get("Refer-To") == "<sip:billing@192.0.2.1>"
    return incoming.session, refer


def notify(session, fragment, cseq, subscription="active", event="refer"):
    extra = f"Event: {event}\r\nSubscription-State: {subscription}\r\n"
    tag, body = session.dialog.local.tag, fragment.encode()
    return request("NOTIFY", cseq=cseq, branch=f"z9hG4bKn{cseq}", to_tag=tag, extra=extra, body=body)


def test_the_last_notify_is_the_outcome_and_the_202_is_not():
    wire = Wire()
    session, refer = transferring(wire)
    wire.receive(refer.respond(202).serialize())
    assert not session.referral.done
    for cseq, line in enumerate(("SIP/2.0 100 Trying", "SIP/2.0 180 Ringing"), 2):
        assert wire.receive(notify(session, line, cseq))[0].status == 200
        assert not session.referral.done
    wire.receive(notify(session, "SIP/2.0 200 OK", 4, "terminated;reason=noresource"))
    assert (session.referral.done, session.referral.status) == (True, 200)
    assert [type(event).__name__ for event in wire.events].count("ReferProgress") == 4


@pytest.mark.parametrize(("answer", "status"), [(603, 603), (405, 405)])
def test_a_refused_refer_is_over_and_the_call_goes_on(answer, status):
    wire = Wire()
    session, refer = transferring(wire)
    wire.receive(refer.respond(answer).serialize())
    assert (session.referral.done, session.referral.status) == (True, status)
    assert session.state.value == "confirmed"


def test_a_failed_target_is_told():
    wire = Wire()
    session, refer = transferring(wire)
    wire.receive(refer.respond(202).serialize())
    wire.receive(notify(session, "SIP/2.0 486 Busy Here", 2, "terminated"))
    assert (session.referral.status, session.referral.reason) == (486, "Busy Here")


def test_a_peer_that_never_notifies_is_given_up_after_a_minute():
    wire = Wire()
    session, refer = transferring(wire)
    wire.receive(refer.respond(202).serialize())
    wire.run(59)
    assert not session.referral.done
    wire.run(2)
    assert (session.referral.done, session.referral.status) == (True, 408)


def test_a_notify_may_overtake_the_202():
    wire = Wire()
    session, refer = transferring(wire)
    wire.receive(notify(session, "SIP/2.0 200 OK", 2, "terminated"))
    wire.receive(refer.respond(202).serialize())
    assert session.referral.status == 200


def test_only_one_transfer_at_a_time():
    wire = Wire()
    session, refer = transferring(wire)
    assert session.refer("sip:x@h", wire.now) is None
    wire.receive(refer.respond(603).serialize())
    assert session.refer("sip:x@h", wire.now) is not None


def test_a_notify_of_something_else_is_481():
    wire = Wire()
    session, refer = transferring(wire)
    wire.receive(refer.respond(202).serialize())
    assert wire.receive(notify(session, "SIP/2.0 200 OK", 2, event="presence"))[0].status == 481
    assert wire.receive(notify(session, "SIP/2.0 200 OK", 3, event="refer;id=99"))[0].status == 481
    assert not session.referral.done


def test_a_subscription_that_ends_without_a_word_has_failed():
    wire = Wire()
    session, refer = transferring(wire)
    wire.receive(refer.respond(202).serialize())
    wire.receive(notify(session, "SIP/2.0 180 Ringing", 2, "terminated"))
    assert (session.referral.done, session.referral.status) == (True, 487)


def test_the_caller_may_hang_up_in_the_middle():
    wire = Wire()
    session, refer = transferring(wire)
    wire.receive(refer.respond(202).serialize())
    wire.receive(request("BYE", cseq=2, branch="z9hG4bKbye", to_tag=session.dialog.local.tag))
    assert wire.events[-1].cause == "bye"
    wire.run(120)
    assert len(wire.core) == 0


def test_nothing_changes_once_it_is_done():
    referral = Referral("sip:x@h", 1)
    referral.give_up()
    referral.receive_response(None)
    assert (referral.state, referral.status, referral.accepted) == (State.DONE, 408, False)
