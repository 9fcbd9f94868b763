import pytest

from gateway.errors import NotLoggedIn, SipParseError
from gateway.sip import Credentials, NumberRules, Numbers, OutgoingInvite, Trunk, Uri, check_outgoing_invite
from gateway.sip.invite.outgoing import invitation
from gateway.sip.register.registrar import Binding
from tests.wire import TCP

ACME = Trunk(
    "acme", server=Uri.parse("sip:sip.acme.example"), credentials=Credentials("me", "x"), caller_id="+15550100"
)


def invite(target, trunk=ACME, telephones=(), **options):
    return invitation(OutgoingInvite(target, trunk, **options), lambda flow: b"", None, "192.0.2.1", telephones)


@pytest.mark.parametrize(
    ("target", "uri"),
    [
        ("+15551234567", "sip:+15551234567@sip.acme.example"),
        ("+1 (555) 123-4567", "sip:+15551234567@sip.acme.example"),
        ("tel:+15551234567", "sip:+15551234567@sip.acme.example"),
        ("*21#", "sip:*21%23@sip.acme.example"),
        ("alice", "sip:alice@sip.acme.example"),
        ("sip:bob@elsewhere:5070;transport=tcp", "sip:bob@elsewhere:5070;transport=tcp"),
    ],
)
def test_who_is_called(target, uri):
    made = invite(target)
    assert str(made.target) == str(made.callee.uri) == uri


def test_numbers_go_to_the_server_and_other_uris_to_themselves():
    assert str(invite("123").hop) == "sip:sip.acme.example"
    assert invite("sip:bob@elsewhere").hop is None
    proxied = Trunk("p", server=Uri.parse("sip:a.example"), proxy=Uri.parse("sip:edge.example;lr"))
    made = invite("123", proxied)
    assert (str(made.hop), made.routes) == ("sip:edge.example;lr", ("<sip:edge.example;lr>",))


def test_the_servers_transport_and_the_domain():
    trunk = Trunk("t", server=Uri.parse("sip:192.0.2.7:5080;transport=tls"), domain="acme.example")
    made = invite("123", trunk)
    assert str(made.target) == "sip:123@acme.example;transport=tls"
    assert str(made.hop) == "sip:192.0.2.7:5080;transport=tls"
    assert str(made.caller) == "<sip:gateway@acme.example>"


@pytest.mark.parametrize(
    ("caller_id", "header"),
    [
        ("", "<sip:+15550100@sip.acme.example>"),
        ("+15550199", "<sip:+15550199@sip.acme.example>"),
        ("Acme Inc <+15550199>", '"Acme Inc" <sip:+15550199@sip.acme.example>'),
        ('"A" <sip:x@y>', '"A" <sip:x@y>'),
    ],
)
def test_who_is_calling(caller_id, header):
    assert str(invite("1", caller_id=caller_id).caller) == header


def test_an_asserted_identity_and_headers():
    trunk = Trunk(
        "t",
        server=Uri.parse("sip:h"),
        caller_id="7",
        identity=("from", "p_asserted_identity"),
        headers=(("X-Trunk", "t"),),
    )
    made = invite("1", trunk, headers=(("X-Order", "o"),))
    assert made.headers == (("X-Trunk", "t"), ("X-Order", "o"), ("P-Asserted-Identity", "<sip:7@h>"))


@pytest.mark.parametrize(
    ("target", "options", "says"),
    [
        ("a b", {}, "neither a number nor"),
        ("sip:a@b\r\nX: y", {}, "not a URI"),
        ("1", {"caller_id": "a\r\nVia: x"}, "not a caller ID"),
        ("1", {"headers": (("X-A", "b\r\nVia: x"),)}, "line end"),
        ("1", {"headers": (("X A", "b"),)}, "not the name of a header"),
        ("1", {"headers": (("contact", "b"),)}, "the gateway's own"),
        ("1", {"trunk": Trunk("in")}, "the trunk in has no server"),
    ],
)
def test_what_cannot_be_is_named_before_anything_is_sent(target, options, says):
    with pytest.raises(SipParseError, match=says):
        check_outgoing_invite(OutgoingInvite(target, **{"trunk": ACME} | options))


def test_a_user_is_called_where_the_telephone_is():
    trunk = Trunk("phones", users=(Credentials("ann", "x"),))
    telephone = Binding(Uri.parse("sip:ann@10.0.0.7;ob"), TCP, 60, "c", 1)
    made = invite("ann", trunk, (telephone,))
    assert (str(made.target), made.flows) == ("sip:ann@10.0.0.7;ob", (TCP,))
    check_outgoing_invite(OutgoingInvite("ann", trunk))  # may log in by then
    with pytest.raises(NotLoggedIn, match="no telephone is registered for 'ann'"):
        invite("ann", trunk)


def test_an_anonymous_call_tells_the_carrier_alone():
    """RFC 3323, RFC 3325."""
    made = invite("1", anonymous=True)
    assert str(made.caller) == '"Anonymous" <sip:anonymous@anonymous.invalid>'
    assert made.headers == (("Privacy", "id"), ("P-Asserted-Identity", "<sip:+15550100@sip.acme.example>"))


def test_who_is_called_and_where_it_goes_are_apart():
    trunk = Trunk(
        "t", server=Uri.parse("sip:192.0.2.7:5080;transport=tcp"), to_domain="acme.pstn.example",
        from_domain="acme.example", user_phone=True, caller_id="+15550100",
        numbers=Numbers(called=NumberRules.parse(("+49* -> 0*",))),
    )  # fmt: skip
    made = invite("+4989123", trunk)
    assert str(made.target) == "sip:089123@acme.pstn.example;transport=tcp;user=phone"
    assert str(made.callee.uri) == str(made.target)
    assert str(made.hop) == "sip:192.0.2.7:5080;transport=tcp"
    assert str(made.caller) == "<sip:+15550100@acme.example;user=phone>"
    with pytest.raises(SipParseError, match=r"the trunk t cannot be told whom to call: no rule takes \+1555"):
        invite("+1555", trunk)
    assert str(invite("reception", trunk).target).startswith("sip:reception@acme.pstn.example")  # no number
