"""RFC 3263 over a small DNS."""

import pytest

from gateway.sip.message.uri import Uri
from gateway.sip.resolve import MAX_HOPS, Hop, Naptr, Srv, hosts_of, locate

ALL = ("udp", "tcp", "tls")


class Names:
    def __init__(self, naptr=None, srv=None, addresses=None):
        self.records = {"naptr": naptr or {}, "srv": srv or {}, "addresses": addresses or {}}
        self.asked = []

    async def naptr(self, name):
        return self._find("naptr", name)

    async def srv(self, name):
        return self._find("srv", name)

    async def addresses(self, name):
        return self._find("addresses", name)

    def _find(self, kind, name):
        self.asked.append((kind, name))
        return self.records[kind].get(name, [])


async def found(uri, names, transports=ALL, chance=lambda: 0.5):
    return await locate(Uri.parse(uri), names, transports, chance)


@pytest.mark.parametrize(
    ("uri", "hop"),
    [
        ("sip:192.0.2.7", Hop("udp", "192.0.2.7", 5060)),
        ("sip:192.0.2.7;transport=tcp", Hop("tcp", "192.0.2.7", 5060)),
        ("sip:192.0.2.7:5080;transport=TLS", Hop("tls", "192.0.2.7", 5080)),
        ("sips:192.0.2.7", Hop("tls", "192.0.2.7", 5061)),
        ("sip:[2001:db8::1]", Hop("udp", "2001:db8::1", 5060)),
    ],
)
async def test_an_address_needs_no_dns(uri, hop):
    names = Names()
    assert await found(uri, names) == [hop]
    assert names.asked == []


async def test_a_port_means_that_only_the_address_is_asked_for():
    names = Names(srv={"_sip._udp.h": [Srv(1, 1, 1, "x")]}, addresses={"h": ["192.0.2.1", "192.0.2.2"]})
    assert await found("sip:h:5070", names) == [Hop("udp", "192.0.2.1", 5070), Hop("udp", "192.0.2.2", 5070)]
    assert names.asked == [("addresses", "h")]


async def test_naptr_then_srv_then_address():
    """The example of RFC 3263 section 4.1."""
    names = Names(
        naptr={
            "example.com": [
                Naptr(90, 50, "SIP+D2T", "_sip._tcp.example.com"),
                Naptr(50, 50, "SIPS+D2T", "_sips._tcp.example.com"),
                Naptr(100, 50, "SIP+D2U", "_sip._udp.example.com"),
                Naptr(10, 50, "E2U+email", "nobody"),
            ]
        },
        srv={
            "_sips._tcp.example.com": [Srv(0, 1, 5061, "a")],
            "_sip._tcp.example.com": [Srv(0, 1, 5060, "b")],
            "_sip._udp.example.com": [Srv(0, 1, 5060, "c")],
        },
        addresses={"a": ["192.0.2.1"], "b": ["192.0.2.2"], "c": ["192.0.2.3"]},
    )
    assert await found("sip:example.com", names) == [
        Hop("tls", "192.0.2.1", 5061), Hop("tcp", "192.0.2.2", 5060), Hop("udp", "192.0.2.3", 5060),
    ]  # fmt: skip
    assert [hop.transport for hop in await found("sip:example.com", names, ("udp",))] == ["udp"]


async def test_without_naptr_the_srv_of_our_first_transport_that_has_one():
    names = Names(srv={"_sip._tcp.h": [Srv(0, 1, 5060, "a")]}, addresses={"a": ["192.0.2.1"]})
    assert await found("sip:h", names) == [Hop("tcp", "192.0.2.1", 5060)]


async def test_without_any_record_the_address_itself():
    names = Names(addresses={"h": ["192.0.2.1"]})
    assert await found("sip:h", names) == [Hop("udp", "192.0.2.1", 5060)]
    assert await found("sips:h", names) == [Hop("tls", "192.0.2.1", 5061)]
    assert await found("sip:nowhere", names) == []


async def test_a_transport_that_we_do_not_speak():
    assert await found("sip:h;transport=sctp", Names(addresses={"h": ["192.0.2.1"]})) == []


@pytest.mark.parametrize(("chance", "order"), [(0.0, "abc"), (0.3, "bca"), (0.99, "cba")])
async def test_priority_comes_before_weight_and_weight_is_a_chance(chance, order):
    """RFC 2782: a has a tenth of the weight, b and c the rest."""
    srv = [Srv(1, 10, 1, "a"), Srv(1, 45, 1, "b"), Srv(1, 45, 1, "c"), Srv(2, 100, 1, "d")]
    names = Names(srv={"_sip._udp.h": srv}, addresses={one: [one] for one in "abcd"})
    assert "".join(hop.host for hop in await found("sip:h", names, ("udp",), lambda: chance)) == order + "d"


async def test_a_dot_says_that_there_is_no_such_service():
    names = Names(srv={"_sip._udp.h": [Srv(0, 0, 0, ".")]})
    assert await found("sip:h", names, ("udp",)) == []


async def test_a_hostile_zone_does_not_make_us_try_for_ever():
    names = Names(
        srv={"_sip._udp.h": [Srv(0, 1, 1, "a")] * 200}, addresses={"a": [f"192.0.2.{number}" for number in range(200)]}
    )
    assert len(await found("sip:h", names, ("udp",))) == MAX_HOPS


async def test_all_that_serves_a_name_are_its_srv_targets_by_any_transport_and_its_own_addresses():
    names = Names(
        srv={
            "_sip._udp.acme": [Srv(1, 1, 5060, "a.acme")],
            "_sips._tcp.acme": [Srv(1, 1, 5061, "b.acme"), Srv(1, 1, 0, ".")],
        },
        addresses={"a.acme": ["192.0.2.1"], "b.acme": ["192.0.2.2", "192.0.2.1"], "acme": ["192.0.2.3"]},
    )
    assert await hosts_of("acme", names) == {"192.0.2.1", "192.0.2.2", "192.0.2.3"}
    assert await hosts_of("192.0.2.9", names) == {"192.0.2.9"}
    assert await hosts_of("nobody", names) == set()
