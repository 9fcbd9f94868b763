import asyncio

import pytest
from aioice import stun

from gateway.errors import ConfigError
from gateway.sip import public_host
from gateway.sip.public_host import PublicHost, find_public_host

SEEN = ("11.0.0.9", 4711)


class StunServer(asyncio.DatagramProtocol):
    """Says what it is made to say; a real one (coturn) is in tests/e2e/test_public_host.py."""

    def __init__(self, answers):
        self.answers, self.asked = answers, 0

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        request = stun.parse_message(data)
        assert (request.message_method, request.message_class) == (stun.Method.BINDING, stun.Class.REQUEST)
        self.asked += 1
        for answer in self.answers(request):
            self.transport.sendto(answer, addr)


def binding(request, name="XOR-MAPPED-ADDRESS", transaction_id=None):
    answer = stun.Message(
        stun.Method.BINDING, stun.Class.RESPONSE, transaction_id=transaction_id or request.transaction_id
    )
    if name:
        answer.attributes[name] = SEEN
    return bytes(answer)


def refusal(request):
    answer = stun.Message(stun.Method.BINDING, stun.Class.ERROR, transaction_id=request.transaction_id)
    answer.attributes["ERROR-CODE"] = (500, "out of order")
    return bytes(answer)


@pytest.fixture
async def server():
    servers = []

    async def begin(answers):
        transport, one = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: StunServer(answers), ("127.0.0.1", 0)
        )
        servers.append(transport)
        one.name = f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
        return one

    yield begin
    for transport in servers:
        transport.close()


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(stun, "RETRY_RTO", 0.02)


@pytest.mark.parametrize(
    "answers",
    [
        lambda request: [binding(request)],
        lambda request: [binding(request, "MAPPED-ADDRESS")],  # servers of RFC 3489
        lambda request: [b"\x00", binding(request, transaction_id=b"x" * 12), binding(request)],  # what is not for us
    ],
)
async def test_what_a_server_sees_is_found(server, answers):
    assert await find_public_host([(await server(answers)).name], "127.0.0.1") == "11.0.0.9"


async def test_a_request_that_was_lost_is_sent_again(server):
    one = await server(lambda request: [binding(request)] if one.asked == 2 else [])
    assert await find_public_host([one.name], "127.0.0.1") == "11.0.0.9"
    assert one.asked == 2


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        (lambda request: [], "timed out"),
        (lambda request: [refusal(request)], "500"),
        (lambda request: [binding(request, "")], "names no address"),
    ],
)
async def test_the_next_server_is_asked_and_if_none_answers_it_is_said_why(server, answers, why):
    bad, good = await server(answers), await server(lambda request: [binding(request)])
    assert await find_public_host([bad.name, good.name], "127.0.0.1") == "11.0.0.9"
    with pytest.raises(ConfigError, match=why) as error:
        await find_public_host([bad.name, "nowhere.invalid:3478"], "127.0.0.1")
    assert "there is no address of nowhere.invalid:3478" in str(error.value)
    assert "name the address itself, or other servers in sip.stun_servers" in str(error.value)


@pytest.mark.parametrize(
    ("wanted", "found", "remote", "told"),
    [
        ("", "", "203.0.113.1", ""),
        ("203.0.113.10", "", "203.0.113.1", "203.0.113.10"),
        ("203.0.113.10", "", "10.0.0.1", "203.0.113.10"),  # who names it means it
        ("203.0.113.10", "", "2001:db8::1", ""),
        ("gw.example", "", "10.0.0.1", "gw.example"),
        ("auto", "11.0.0.9", "11.0.0.1", "11.0.0.9"),
        ("auto", "11.0.0.9", "10.0.0.1", ""),  # reached without the NAT
        ("auto", "11.0.0.9", "100.64.0.1", ""),
        ("auto", "11.0.0.9", "127.0.0.1", ""),
        ("auto", "11.0.0.9", "2600::1", ""),
        ("auto", "11.0.0.9", "carrier.example", "11.0.0.9"),
        ("auto", "", "11.0.0.1", ""),
    ],
)
def test_who_is_told_what(wanted, found, remote, told):
    public = PublicHost(wanted)
    public.host = public.host or found
    assert public.told(remote) == told


def test_servers_are_asked_again_before_a_lease_of_an_hour_ends():
    assert 60 <= public_host.EVERY_SECONDS < 3600
