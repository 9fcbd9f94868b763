import pytest

from gateway.errors import SipParseError
from gateway.sip import NumberRules, Numbers, Trunk, Uri
from gateway.sip.trunk.refer_to import check_template, check_variables, refer_to

PEER = Uri.parse("sip:caller@192.0.2.10:5070")
SERVER = Uri.parse("sip:sip.carrier.example:5080")


@pytest.mark.parametrize(
    ("target", "trunk", "made"),
    [
        ("tel:+49-89 123", None, "sip:+4989123@192.0.2.10:5070;user=phone"),
        ("tel:+4989123", Trunk("t"), "sip:+4989123@192.0.2.10:5070;user=phone"),
        ("tel:+4989123", Trunk("t", server=SERVER), "sip:+4989123@sip.carrier.example:5080;user=phone"),
        ("tel:+4989123", Trunk("t", server=SERVER, domain="acme"), "sip:+4989123@acme;user=phone"),
        ("tel:+4989123", Trunk("t", server=SERVER, refer_to="tel:{number}"), "tel:+4989123"),
        (
            "tel:+4989123;phone-context=x",
            Trunk("t", server=SERVER, to_domain="acme.pstn.twilio.com", refer_to="sip:{number}@{domain}"),
            "sip:+4989123@acme.pstn.twilio.com",
        ),
        ("sip:bob@elsewhere", Trunk("t", refer_to="tel:{number}"), "sip:bob@elsewhere"),
        (
            "tel:+4989123",
            Trunk("t", refer_to="sip:{number}@{domain}", numbers=Numbers(refer_to=NumberRules.parse(("+49* -> 0*",)))),
            "sip:089123@192.0.2.10",
        ),
        (
            "tel:+4989123",
            Trunk("t", server=SERVER, domain="d", numbers=Numbers(called=NumberRules.parse(("+* -> 00*",)))),
            "sip:004989123@d;user=phone",
        ),
    ],
)
def test_a_number_is_named_as_the_trunk_wants_it(target, trunk, made):
    assert refer_to(target, trunk, PEER) == made


def test_headers_for_the_call_to_the_target_go_into_the_uri():
    """As Genesys Cloud reads User-to-User (RFC 7433) from a REFER."""
    headers = (("User-to-User", "{summary:hex};encoding=hex"), ("X-Call", "{call_id}"))
    trunk = Trunk("t", refer_to="sip:{number}@{domain}", domain="d", refer_headers=headers)
    made = refer_to("tel:+1", trunk, PEER, {"summary": "Ünü", "call_id": "call_1"})
    assert made == "sip:+1@d?User-to-User=c39c6ec3bc%3Bencoding%3Dhex&X-Call=call_1"
    assert Uri.parse(made).headers.startswith("User-to-User=")
    assert refer_to("sip:bob@e?Subject=x", trunk, PEER, {}).startswith("sip:bob@e?Subject=x&User-to-User=")
    bare = Trunk("t", refer_to="tel:{number}", refer_headers=headers)
    assert refer_to("tel:+1", bare, PEER, {"summary": "x"}) == "tel:+1"  # such a URI has no headers


def test_a_number_that_no_rule_takes_is_an_error():
    trunk = Trunk("t", numbers=Numbers(called=NumberRules.parse(("+49* -> 0*",))))
    with pytest.raises(SipParseError, match="cannot be told whom to call"):
        refer_to("tel:+1555", trunk, PEER)


@pytest.mark.parametrize("template", ["", "tel:{number}", "sip:{number}@{domain}", "sip:{number}@x;user=phone"])
def test_templates_that_are_good(template):
    check_template(template)


@pytest.mark.parametrize(
    "template", ["sip:x@y", "sip:{number}@{host}", "{number}", "sip:{number:hex}@x", "sip:{number} @x"]
)
def test_templates_that_are_not(template):
    with pytest.raises(ValueError, match="refer_to"):
        check_template(template)


def test_variables_that_there_are():
    check_variables("{summary:hex};encoding=hex")
    with pytest.raises(ValueError, match=r"there is no \{name\}; there are call_id, caller, called, summary"):
        check_variables("{name}")
