import pytest

from gateway.errors import SipParseError
from gateway.sip import Credentials, NumberRules, Numbers, Trunk, Uri
from gateway.sip.message.message import Request, parse
from gateway.sip.trunk.identity import CallerId, called, caller, sent

SIPGATE = Trunk(
    "sipgate",
    server=Uri.parse("sip:sipconnect.sipgate.de"),
    credentials=Credentials("1234567t0", "x"),
    caller_id="Acme <+4921112345>",
    identity=("p_preferred_identity", "display_name"),
    numbers=Numbers(caller=NumberRules.parse(("+* -> *",))),
    anonymous=("privacy",),
)
PLAIN = Trunk("plain", server=Uri.parse("sip:h"), caller_id="+15550100")


def told(trunk, caller_id="", anonymous=False, **more):
    from_, headers = sent(trunk, caller_id, anonymous, "192.0.2.1", **more)
    return str(from_), headers


def test_the_caller_id_is_in_from_unless_the_trunk_says_otherwise():
    assert told(PLAIN) == ("<sip:+15550100@h>", [])
    assert told(Trunk("t", server=Uri.parse("sip:h"))) == ("<sip:gateway@h>", [])
    assert told(Trunk("")) == ("<sip:gateway@192.0.2.1>", [])


def test_a_carrier_whose_from_is_the_account_and_whose_number_goes_elsewhere():
    assert told(SIPGATE) == (
        '"4921112345" <sip:1234567t0@sipconnect.sipgate.de>',
        [("P-Preferred-Identity", '"Acme" <sip:4921112345@sipconnect.sipgate.de>')],
    )
    assert told(SIPGATE, anonymous=True) == (
        "<sip:1234567t0@sipconnect.sipgate.de>",  # another From would be refused
        [("Privacy", "id"), ("P-Preferred-Identity", '"Acme" <sip:4921112345@sipconnect.sipgate.de>')],
    )


@pytest.mark.parametrize(
    ("settings", "from_", "headers"),
    [
        ({"from_domain": "acme.example"}, "<sip:+15550100@acme.example>", []),
        ({"domain": "acme.example", "to_domain": "them"}, "<sip:+15550100@acme.example>", []),
        ({"user_phone": True}, "<sip:+15550100@h;user=phone>", []),
        ({"identity": ("p_asserted_identity",)}, "<sip:gateway@h>", [("P-Asserted-Identity", "<sip:+15550100@h>")]),
        ({"identity": ("p_asserted_identity",), "from_user": "me"}, "<sip:me@h>",
         [("P-Asserted-Identity", "<sip:+15550100@h>")]),
        ({"identity": ("from", "remote_party_id")}, "<sip:+15550100@h>",
         [("Remote-Party-ID", "<sip:+15550100@h>;party=calling;screen=yes;privacy=off")]),
        ({"identity": ("display_name",), "from_user": "301"}, '"+15550100" <sip:301@h>', []),
        ({"numbers": Numbers(caller=NumberRules.parse(("+1* -> *",)), identity=NumberRules.parse(("* -> *",))),
          "identity": ("from", "p_asserted_identity")}, "<sip:5550100@h>",
         [("P-Asserted-Identity", "<sip:+15550100@h>")]),
    ],
)  # fmt: skip
def test_every_place_that_a_caller_id_can_go(settings, from_, headers):
    trunk = Trunk("t", server=Uri.parse("sip:h"), caller_id="+15550100", **settings)
    assert told(trunk) == (from_, headers)


def test_who_hides_is_known_to_the_carrier_alone():
    asserted = [("Privacy", "id"), ("P-Asserted-Identity", "<sip:+15550100@h>")]
    assert told(PLAIN, anonymous=True) == ('"Anonymous" <sip:anonymous@anonymous.invalid>', asserted)
    shown = Trunk("t", server=Uri.parse("sip:h"), caller_id="+15550100", anonymous=("privacy",))
    assert told(shown, anonymous=True) == ("<sip:+15550100@h>", asserted)
    rpid = Trunk("t", server=Uri.parse("sip:h"), caller_id="7", identity=("from", "remote_party_id"))
    assert told(rpid, anonymous=True)[1][1][1].endswith("privacy=full")


def test_a_call_for_a_caller_whom_we_transfer_names_the_number_that_was_called():
    both = Trunk("t", server=Uri.parse("sip:h"), diversion=("diversion", "history_info"))
    _, headers = told(both, "+4930777", diverted="+15550100", target=Uri.parse("sip:+4989@h"))
    assert headers == [
        ("Diversion", "<sip:+15550100@h>;reason=unconditional;counter=1"),
        ("History-Info", "<sip:+15550100@h>;index=1"),
        ("History-Info", "<sip:+4989@h>;index=1.1;mp=1"),
    ]


def test_a_number_that_no_rule_takes_is_named():
    trunk = Trunk("t", server=Uri.parse("sip:h"), numbers=Numbers(caller=NumberRules.parse(("+49* -> 0*",))))
    with pytest.raises(SipParseError, match=r"the trunk t cannot be told our number: no rule takes \+1555"):
        told(trunk, "+1555")


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("", CallerId("")),
        ("Acme Inc <+1555>", CallerId("+1555", "Acme Inc")),
        ('"A" <sip:x@y>', CallerId("x", "A", Uri.parse("sip:x@y"))),
        ("sip:x@y", CallerId("x", "", Uri.parse("sip:x@y"))),
        ("Ann <desk <+1555>", CallerId("+1555", "Ann <desk")),
        ("sip:ann <+1555>", CallerId("+1555", "sip:ann")),
        ("Anonymous <>", CallerId("", "Anonymous")),
    ],
)
def test_what_a_caller_id_may_be(text, made):
    assert CallerId.parse(text) == made


def incoming(*headers: str, uri: str = "sip:contact-7@192.0.2.1", from_: str = "<sip:0891234@pbx>") -> Request:
    lines = [
        f"INVITE {uri} SIP/2.0", "Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1", f"From: {from_};tag=1",
        "To: <sip:08955500@pbx>", "Call-ID: 1", "CSeq: 1 INVITE", *headers, "Content-Length: 0", "", "",
    ]  # fmt: skip
    message = parse("\r\n".join(lines).encode())
    assert isinstance(message, Request)
    return message


@pytest.mark.parametrize(
    ("called_in", "number"),
    [
        (("request_uri",), "contact-7"),
        (("to",), "08955500"),
        (("p_called_party_id", "to"), "+4989555"),
        (("history_info", "diversion"), "0800777"),
        (("history_info", "request_uri"), "contact-7"),
    ],
)
def test_where_the_called_number_is(called_in, number):
    request = incoming(
        "P-Called-Party-ID: <sip:+4989555@carrier>", "Diversion: <sip:0800777@c>;reason=unconditional, <sip:1@c>"
    )
    assert called(request, Trunk("t", called_in=called_in)).number == number


def test_numbers_that_come_are_rewritten_and_what_no_rule_takes_is_as_it_was():
    rules = NumberRules.parse(("00* -> +*", "0[1-9]* -> +49*"))
    trunk = Trunk("t", called_in=("to",), numbers=Numbers(called_in=rules, caller_in=rules))
    assert str(called(incoming(), trunk)) == "sip:+498955500@pbx"
    assert str(caller(incoming(), trunk).uri) == "sip:+49891234@pbx"
    assert caller(incoming(from_="<sip:112@pbx>"), trunk).uri.number == "112"
    assert called(incoming(uri="tel:0044123"), Trunk("t", numbers=Numbers(called_in=rules))).number == "+44123"


def test_who_calls_is_where_the_trunk_says_and_nonsense_is_passed_over():
    request = incoming('P-Asserted-Identity: "Ann" <sip:+15550100@c>, <tel:+15550100>', "Remote-Party-ID: <nonsense>")
    assert caller(request, None).uri.number == "0891234"
    assert caller(request, Trunk("t")).uri.number == "0891234"
    found = caller(request, Trunk("t", caller_in=("remote_party_id", "p_asserted_identity")))
    assert (found.uri.number, found.display) == ("+15550100", "Ann")
    assert caller(request, Trunk("t", caller_in=("p_preferred_identity", "from"))).uri.number == "0891234"
