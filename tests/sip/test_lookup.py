"""Real DNS over UDP, from a name server of the test's own."""

import asyncio
from contextlib import asynccontextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from gateway.sip.lookup import Dns
from gateway.sip.resolve import Naptr, Srv

ZONE = {
    ("carrier.example.", "NAPTR"): ['10 20 "s" "SIP+D2U" "" _sip._udp.carrier.example.'],
    ("_sip._udp.carrier.example.", "SRV"): ["1 2 5070 one.carrier.example.", "2 0 5060 two.carrier.example."],
    ("one.carrier.example.", "A"): ["192.0.2.1", "192.0.2.2"],
}


class NameServer(asyncio.DatagramProtocol):
    def __init__(self):
        self.asked, self.broken = [], False

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        query = dns.message.from_wire(data)
        question = query.question[0]
        kind = question.rdtype.name
        self.asked.append((str(question.name), kind))
        answer = dns.message.make_response(query)
        rows = ZONE.get((str(question.name).lower(), kind))
        if self.broken:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif rows:
            answer.answer.append(dns.rrset.from_text(question.name, 0, "IN", kind, *rows))
        elif not any(name == str(question.name) for name, _ in ZONE):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(answer.to_wire(), addr)


@asynccontextmanager
async def name_server():
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(NameServer, ("127.0.0.1", 0))
    try:
        yield server, f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    finally:
        transport.close()


async def test_records_are_read():
    async with name_server() as (_, place):
        names = Dns((place,))
        assert await names.naptr("carrier.example") == [Naptr(10, 20, "SIP+D2U", "_sip._udp.carrier.example")]
        assert set(await names.srv("_sip._udp.carrier.example")) == {
            Srv(1, 2, 5070, "one.carrier.example"), Srv(2, 0, 5060, "two.carrier.example"),
        }  # fmt: skip
        assert set(await names.addresses("one.carrier.example")) == {"192.0.2.1", "192.0.2.2"}
        assert await names.srv("one.carrier.example") == []
        assert await names.addresses("nobody.example") == []


async def test_what_was_known_is_used_while_the_name_server_is_broken():
    async with name_server() as (server, place):
        names = Dns((place,))
        await names.addresses("one.carrier.example")
        server.broken = True
        assert set(await names.addresses("one.carrier.example")) == {"192.0.2.1", "192.0.2.2"}
        assert await names.addresses("two.carrier.example") == []


async def test_the_systems_own_resolver_knows_the_hosts_file():
    assert await Dns().addresses("localhost") == ["127.0.0.1"]
