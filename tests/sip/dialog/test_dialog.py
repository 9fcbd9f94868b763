from gateway.sip.dialog.dialog import Dialog
from gateway.sip.flow import Flow
from gateway.sip.message.message import parse
from gateway.sip.message.uri import Uri
from tests.wire import TCP, UDP, request


def dialog(extra="", flow=UDP):
    invite = parse(request(extra=extra))
    return Dialog.of_server(invite, "mine", Uri.parse("sip:gw@192.0.2.1"), flow)


def test_a_request_goes_to_the_contact_with_our_numbers():
    bye, flow = dialog().request("BYE", "z9hG4bKx")
    assert str(bye.uri) == "sip:peer@192.0.2.10:5060"
    assert (bye.from_.tag, bye.to.tag, str(bye.cseq)) == ("mine", "peer1", "1 BYE")
    assert flow.remote == ("192.0.2.10", 5060)


def test_loose_routing_keeps_the_target_and_goes_by_the_first_route():
    bye, flow = dialog("Record-Route: <sip:p1.example:5070;lr>, <sip:p2.example;lr>\r\n").request("BYE", "b")
    assert bye.headers.all("Route") == ["<sip:p1.example:5070;lr>", "<sip:p2.example;lr>"]
    assert str(bye.uri) == "sip:peer@192.0.2.10:5060"
    assert flow.remote == ("p1.example", 5070)


def test_a_strict_router_becomes_the_request_uri():
    """RFC 3261 section 12.2.1.1."""
    bye, flow = dialog("Record-Route: <sip:old.example>, <sip:p2.example;lr>\r\n").request("BYE", "b")
    assert str(bye.uri) == "sip:old.example"
    assert bye.headers.all("Route") == ["<sip:p2.example;lr>", "<sip:peer@192.0.2.10:5060>"]
    assert flow.remote == ("old.example", 5060)


def test_the_same_connection_is_used_again():
    _, flow = dialog(flow=TCP).request("BYE", "b")
    assert flow == TCP
    _, other = dialog("Record-Route: <sip:p.example;lr;transport=tcp>\r\n", TCP).request("BYE", "b")
    assert other == Flow("tcp", ("p.example", 5060), ("192.0.2.1", 5060))


def test_requests_have_to_come_in_order():
    one = dialog()
    assert one.follows(parse(request("INFO", cseq=5)))
    assert not one.follows(parse(request("INFO", cseq=5)))
    assert not one.follows(parse(request("INFO", cseq=4)))
    assert one.follows(parse(request("ACK", cseq=1)))
