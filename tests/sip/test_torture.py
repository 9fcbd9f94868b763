"""Messages after RFC 4475, the torture tests: each with what has to become of it.

The texts are the RFC's, shortened where only one line of them matters. `ok` is a message that is understood, a number is
the response that it gets, None is a message that nobody can answer.
"""

from __future__ import annotations

import contextlib

import pytest

from gateway.errors import SipParseError
from gateway.sip.message.message import Request, Response, check, parse
from tests.wire import Wire

REST = (
    "To: sip:user@example.com\r\nFrom: sip:caller@example.net;tag=134161461246\r\nMax-Forwards: 7\r\n"
    "Call-ID: {name}.0ha0isndaksdjasdf3234nas\r\nCSeq: 8 {method}\r\n"
    "Via: SIP/2.0/UDP 192.0.2.15;branch=z9hG4bKkdjuw\r\nContact: <sip:caller@host5.example.net>\r\n"
)
SDP = (
    "v=0\r\no=mhandley 29739 7272939 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    "m=audio 49217 RTP/AVP 0 12\r\nm=video 3227 RTP/AVP 31\r\na=rtpmap:31 LPC\r\n"
)


def message(name: str, start: str = "OPTIONS sip:user@example.com SIP/2.0", *, change: tuple[str, str] = ("", ""),
            extra: str = "", body: str = "", length: str = "") -> bytes:  # fmt: skip
    """A plain message with its one oddity: a start line, a header that is changed, or one more."""
    method = start.split()[0] if not start.startswith("SIP/") else "OPTIONS"
    head = REST.format(name=name, method=method)
    if change[0]:
        assert change[0] in head
        head = head.replace(*change)
    kind = "Content-Type: application/sdp\r\n" if body and "ontent-" not in extra else ""
    return f"{start}\r\n{head}{extra}{kind}Content-Length: {length or len(body)}\r\n\r\n{body}".encode()


WSINV = (
    "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\r\nTO :\r\n"
    " sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\r\n"
    'from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8\r\nMaX-fOrWaRdS: 0068\r\n'
    "Call-ID: wsinv.ndaksdj@192.0.2.1\r\nContent-Length   : 150\r\ncseq: 0009\r\n  INVITE\r\n"
    "Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw\r\ns :\r\n"
    "NewFangledHeader:   newfangled value\r\n continued newfangled value\r\n"
    "UnknownHeaderWithUnusualValue: ;;,,;;,;\r\nContent-Type: application/sdp\r\n"
    "Route:\r\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\r\n"
    "v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n"
    " SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239\r\n"
    'm:"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =\r\n      newvalue ;\r\n'
    "  secondparam ; q = 0.33\r\n\r\n" + SDP
).encode()  # fmt: skip

INTMETH = (
    b"!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,"
    b"weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0\r\nVia: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*"
    b"_+`'~\r\nTo: \"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f\" <sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example."
    b"com>\r\nFrom: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%=\"\xd1\x80\xd0\xb0"
    b'\xd0\xb1"' b";tag=_token~1'+`*%!-.\r\nCall-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{\r\n"
    b"CSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~\r\nMax-Forwards: 255\r\n"
    b"extensionHeader-!.%*+_`'~:\xef\xbb\xbf\xe5\xa4\xa7\xe5\x81\x9c\xe9\x9b\xbb\r\nContent-Length: 0\r\n\r\n"
)  # fmt: skip

VALID = {
    "wsinv": WSINV,
    "intmeth": INTMETH,
    "esc01": message("esc01", "INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0", change=(
        "Contact: <sip:caller@host5.example.net>",
        "Contact:\r\n  <sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>"), body=SDP),
    "escnull": message("escnull", change=("To: sip:user", "To: sip:null-%00-null")),
    "esc02": message("esc02", "RE%47IST%45R sip:registrar.example.com SIP/2.0", change=(
        "To: sip:user@example.com", 'To: "%Z%45" <sip:resource@example.com>'), extra="C%6Fntact: <sip:a@h>\r\n"),
    "lwsdisp": message("lwsdisp", change=("From: sip:caller@example.net", "From: caller<sip:caller@example.com>")),
    "longreq": message("longreq", "INVITE sip:user@example.com SIP/2.0", change=(
        "To: sip:user@example.com", f'To: "I have a user name of {"extreme" * 10} proportion"<sip:user@example.com:6000;'
        f'a={"very" + "long" * 20}value;{"name" * 25}=short;{"long" * 25}Value>'),
        extra="".join(f"v: SIP/2.0/TCP sip{n}.example.com\r\n" for n in range(33, 0, -1)), body=SDP),
    "transports": message("transports", extra="".join(
        f"Via: SIP/2.0/{name} t{name}.example.com;branch=z9hG4bKkdjuw\r\n" for name in ("SCTP", "TLS", "UNKNOWN", "TCP"))),
    "unreason": b"SIP/2.0 200 = 2**3 * 5**2 \xd0\xbd\xd0\xbe \xd1\x81\xd1\x82\xd0\xbe" + message("unreason")[36:],
    "noreason": b"SIP/2.0 100 " + message("noreason")[36:],
    "multi-via-one-line": message("x", extra="Via: SIP/2.0/UDP a;branch=1, SIP/2.0/UDP b;branch=2\r\n"),
    "semiuri": message("semiuri", "OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0"),
    "zeromf": message("zeromf", change=("Max-Forwards: 7", "Max-Forwards: 0")),
    "cparam01": message("cparam01", change=("<sip:caller@host5.example.net>", "sip:+19725552222@gw1.example.net;unknownparam")),
    "cparam02": message("cparam02", change=("<sip:caller@host5.example.net>", "<sip:+19725552222@gw1.example.net;unknownparam>")),
    "regescrt": message("regescrt", change=("<sip:caller@host5.example.net>",
        "<sip:user@example.com?Route=%3Csip:sip.example.com%3E>")),
    "unksm2": message("unksm2", change=("To: sip:user@example.com", "To: isbn:2983792873")),
    "baddate": message("baddate", extra="Date: Fri, 01 Jan 2010 16:00:00 EST\r\n"),
}  # fmt: skip

REFUSED = {
    "clerr": (message("clerr", "INVITE sip:user@example.com SIP/2.0", body=SDP, length="9999"), 400),
    "ncl": (message("ncl", "INVITE sip:user@example.com SIP/2.0", body=SDP, length="-999"), 400),
    "scalar02": (message("scalar02", change=("CSeq: 8", "CSeq: 36893488147419103232")), 400),
    "quotbal": (message("quotbal", change=("To: sip:user@example.com", 'To: "Mr. J. User <sip:j.user@example.com>')), 400),
    "ltgtruri": (message("ltgtruri", "OPTIONS <sip:user@example.com> SIP/2.0"), 400),
    "lwsruri": (message("lwsruri", "OPTIONS sip:user@example.com; lr SIP/2.0"), 400),
    "lwsstart": (message("lwsstart", "OPTIONS  sip:user@example.com  SIP/2.0"), 400),
    "trws": (message("trws", "OPTIONS sip:remote-target@example.com SIP/2.0  "), 400),
    "badvers": (message("badvers", "OPTIONS sip:t.watson@example.org SIP/7.0"), 505),
    "mismatch01": (message("mismatch01", change=("CSeq: 8 OPTIONS", "CSeq: 8 INVITE")), 400),
    "mismatch02": (message("mismatch02", "NEWMETHOD sip:user@example.com SIP/2.0", change=("8 NEWMETHOD", "8 INVITE")), 400),
    "unkscm": (message("unkscm", "OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0"), 416),
    "novelsc": (message("novelsc", "OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0"), 416),
    "bext01": (message("bext01", extra="Require: nothingSupportsThis, nothingSupportsThisEither\r\n"), 420),
    "invut": (message("invut", "INVITE sip:user@example.com SIP/2.0", extra="Content-Type: application/unknownformat\r\n",
        body="<audio> <pcmu port=\"443\"/> </audio>"), 415),
    "multi01": (message("multi01", extra="CSeq: 59 OPTIONS\r\nCall-ID: other\r\nFrom: sip:other@example.net;tag=1\r\n"), 400),
    "mcl01": (message("mcl01", extra="Content-Length: 13\r\n"), 400),
}  # fmt: skip

TOLERATED = {
    "badinv01": message("badinv01", change=("branch=z9hG4bKkdjuw", "branch=z9hG4bKkdjuw;;,;,,")),
    "baddn": message("baddn", change=("From: sip:caller@example.net", "From: Bell, Alexander <sip:a.g.bell@example.com>")),
    "badaspec": message("badaspec", change=("To: sip:user@example.com", 'To: "Watson, Thomas" < sip:t.watson@example.org >')),
}  # fmt: skip
"""What is against the grammar and clear all the same: stray separators, an unquoted comma, spaces within the brackets."""

DROPPED = {
    "insuf": b"INVITE sip:user@example.com SIP/2.0\r\nCSeq: 193942 INVITE\r\nVia: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf\r\n"
    b"Content-Length: 0\r\n\r\n",
    "scalarlg": b"SIP/2.0 503 Service Unavailable\r\nVia: SIP/2.0/TCP host129.example.com;branch=z9hG4bKzzxdiwo34sw\r\n"
    b"To: <sip:user@example.com>\r\nFrom: <sip:other@example.net>;tag=2easdjfejw\r\nCSeq: 9292394834772304023312 OPTIONS\r\n"
    b"Call-ID: scalarlg.noase0of0234hn2qofoaf0232aewf2394r\r\nContent-Length: 0\r\n\r\n",
    "bigcode": b"SIP/2.0 4294967301 better not break the receiver\r\n" + message("bigcode")[38:],
    "bcast": b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923\r\n"
    b"Call-ID: bcast.0384840201234ksdfak3j2erwedfsASdf\r\nCSeq: 35 INVITE\r\nFrom: sip:user@example.com;tag=11141343\r\n"
    b"To: sip:user@example.edu;tag=2229\r\nContent-Length: 0\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("name", VALID)
def test_what_is_valid_is_understood(name):
    read = parse(VALID[name])
    check(read)
    assert isinstance(read, Response if name in ("unreason", "noreason") else Request)
    again = parse(read.serialize())
    assert (again.from_, again.to, again.via, again.body) == (read.from_, read.to, read.via, read.body)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_gets_its_response(name):
    data, status = REFUSED[name]
    assert [answer.status for answer in Wire().receive(data)] == [status]


@pytest.mark.parametrize("name", TOLERATED)
def test_what_is_tolerated(name):
    assert [answer.status for answer in Wire().receive(TOLERATED[name])] == [200]


@pytest.mark.parametrize("name", DROPPED)
def test_what_cannot_be_answered_is_dropped(name):
    wire = Wire()
    assert wire.receive(DROPPED[name]) == []
    assert wire.events == []


def test_a_short_tortuous_invite_in_its_parts():
    read = parse(WSINV)
    assert (read.to.tag, read.from_.tag, read.from_.display) == ("1918181833n", "98asjd8", 'J Rosenberg \\"')
    assert [value.split(";")[0].split() for value in read.headers.all("Via")][1:] == [
        ["SIP", "/", "2.0", "/", "TCP", "spindle.example.com"], ["SIP", "/", "2.0", "/", "UDP", "192.168.255.111"],
    ]  # fmt: skip
    assert (read.via.host, read.via.branch, str(read.cseq)) == ("192.0.2.2", "390skdjuw", "9 INVITE")
    assert read.contact is not None
    assert read.contact.params["secondparam"] == ""


def test_two_requests_in_one_datagram_are_the_first():
    """dblreq: Content-Length ends the first, and what follows is not read (section 3.1.1.8)."""
    first = message("dblreq", "REGISTER sip:example.com SIP/2.0")
    answers = Wire().receive(first + message("dblreq2", "INVITE sip:joe@example.com SIP/2.0"))
    assert [answer.status for answer in answers] == [405]


def test_an_invite_of_rfc_2543_is_a_call():
    data = (
        b"INVITE sip:UserB@example.com SIP/2.0\r\nVia: SIP/2.0/UDP iftgw.example.com\r\nFrom: <sip:+13035551111@ift.client."
        b"example.net;user=phone>\r\nRecord-Route: <sip:UserB@example.com;maddr=ss1.example.com>\r\nTo: sip:+16505552222@ss1"
        b".example.net;user=phone\r\nCall-ID: inv2543.1717@ift.client.example.com\r\nCSeq: 56 INVITE\r\nContact: <sip:a@b>\r\n"
        b"Content-Type: application/sdp\r\n\r\n" + SDP.encode()
    )
    wire = Wire()
    assert [answer.status for answer in wire.receive(data)] == [100]
    assert len(wire.events) == 1


@pytest.mark.parametrize("name", [*VALID, *REFUSED, *TOLERATED, *DROPPED])
def test_no_mutation_of_them_does_harm(name):
    """Every byte left out, and every byte turned over, one at a time."""
    whole = VALID.get(name) or DROPPED.get(name) or TOLERATED.get(name) or REFUSED[name][0]
    wire = Wire()
    for at in range(0, len(whole), 3):
        for data in (
            whole[:at] + whole[at + 1 :],
            whole[:at] + bytes([whole[at] ^ 0x11]) + whole[at + 1 :],
            whole[:at],
        ):
            with contextlib.suppress(SipParseError):
                check(parse(data))
            wire.receive(data)
    wire.run(200)
    assert [answer.status for answer in wire.receive(message("after"))] == [200]
