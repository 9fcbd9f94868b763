from gateway.sip import NumberRules, Numbers, OutgoingInvite, Trunk, Uri
from gateway.sip.preview import preview, read
from tests.wire import OFFER


def test_what_would_be_sent():
    trunk = Trunk(
        "t", server=Uri.parse("sip:sip.acme.example;transport=tls"), caller_id="+15550100", refer_to="tel:{number}",
        headers=(("X-Account", "7"),), numbers=Numbers(called=NumberRules.parse(("+* -> 00*",))),
    )  # fmt: skip
    flows = []
    made = preview(OutgoingInvite("+4989", trunk), lambda flow: flows.append(flow) or OFFER, "192.0.2.1", 5061)
    assert made.invite.startswith("INVITE sip:004989@sip.acme.example;transport=tls SIP/2.0\r\n")
    assert "X-Account: 7\r\n" in made.invite
    assert made.invite.endswith(OFFER.decode())
    assert (made.hop, made.refer_to, flows[0].transport) == (
        "sip:sip.acme.example;transport=tls", "tel:004989", "tls",
    )  # fmt: skip
    direct = preview(OutgoingInvite("sip:bob@192.0.2.9:5070", Trunk("t")), lambda flow: b"", "192.0.2.1", 5060)
    assert (direct.hop, direct.refer_to) == ("sip:bob@192.0.2.9:5070", "sip:bob@192.0.2.9:5070")


def test_how_numbers_would_be_read_wherever_the_trunk_looks_for_them():
    rules = Numbers(called_in=NumberRules.parse(("0* -> +49*",)), caller_in=NumberRules.parse(("00* -> +*",)))
    for place in ("to", "p_called_party_id", "diversion", "history_info", "request_uri"):
        found = read("089", "0044", Trunk("t", called_in=(place,), caller_in=("remote_party_id",), numbers=rules))
        assert (found.called, found.caller) == ("+4989", "+44")
