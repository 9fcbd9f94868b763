import asyncio

import pytest

from gateway.sip import Credentials, SipSettings, Timing, Trunk, Uri, UserAgent

QUICK = Timing(t1=0.02, t2=0.1)
USERS = (Credentials("ann", "right"),)


async def agent(*trunks, **settings):
    one = UserAgent(SipSettings(port=0, trunks=trunks, timing=QUICK, **settings), lambda event: None)
    await one.listen()
    return one


def trunk(port, password="right", **more):
    return Trunk("t", server=Uri.parse(f"sip:127.0.0.1:{port}"), credentials=Credentials("ann", password), **more)


@pytest.fixture
async def registrar():
    one = await agent(Trunk("phones", users=USERS))
    yield one
    await one.close()


async def ask(server, method, **more):
    asked = trunk(server if isinstance(server, int) else server.port, **more)
    one = await agent(asked)
    try:
        async with asyncio.timeout(10):
            return await one.probe(asked, method)
    finally:
        await one.close()


async def test_a_server_that_lives_and_takes_the_login_and_nothing_is_registered(registrar):
    alive = await ask(registrar, "OPTIONS")
    assert (alive.status, alive.servers) == (200, (f"udp:127.0.0.1:{registrar.port}",))
    known = await ask(registrar, "REGISTER")
    assert known.status == 200
    assert registrar.stack.registrar.find("ann", asyncio.get_running_loop().time()) == []


async def test_a_wrong_password_is_told_by_the_registrar_itself(registrar):
    refused = await ask(registrar, "REGISTER", password="wrong")
    assert refused.status in (401, 403)


async def test_nobody_answers_and_nobody_is_there():
    silent, _ = await asyncio.get_running_loop().create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 0))
    port = silent.get_extra_info("sockname")[1]
    gone = await ask(port, "OPTIONS")
    assert (gone.status, gone.reason) == (0, "nobody answers")
    silent.close()
    asked = Trunk("t", server=Uri.parse("sip:no.such.host.invalid"))
    one = await agent(asked)
    nowhere = await one.probe(asked, "OPTIONS")
    assert (nowhere.status, nowhere.servers) == (0, ())
    assert "the name has no address" in nowhere.reason
    await one.close()
