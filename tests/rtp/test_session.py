"""Real datagrams between two sessions on loopback."""

import asyncio
import contextlib

import pytest

from gateway.errors import NoMediaPort
from gateway.rtp import MediaSettings, PortPool, Stream, open_session


class Ear:
    def __init__(self):
        self.heard, self.gaps, self.digits = [], [], []

    def audio(self, payload):
        self.heard.append(payload)

    def gap(self, gap):
        self.gaps.append(gap)

    def digit(self, digit):
        self.digits.append(digit)


def pool(first, last):
    return PortPool(first, last, asyncio.get_running_loop().time)


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_audio_and_digits_arrive_and_are_counted():
    settings, ports = MediaSettings(), pool(31000, 31099)
    one, two = Ear(), Ear()
    a, b = await open_session(settings, ports, one), await open_session(settings, ports, two)
    a.update(Stream(0, 101, ("127.0.0.1", b.port)))
    b.update(Stream(0, 101, ("127.0.0.1", a.port), sending=False))
    for number in range(5):
        a.send(bytes([number]) * 160, talking=True)
        b.send(b"never" * 32, talking=True)
    a.send_dtmf("7")
    for _ in range(8):
        a.send(b"x" * 160, talking=False)
    await until(lambda: two.digits)
    assert [payload[0] for payload in two.heard] == [0, 1, 2, 3, 4]
    assert two.digits == ["7"]
    assert one.heard == []  # b holds
    assert (a.stats()["sent_packets"], b.stats()["received_packets"], b.stats()["lost"]) == (15, 15, 0)
    assert f"127.0.0.1:{a.port}" in str(b)
    a.close()
    b.close()


async def test_a_port_that_a_stranger_holds_is_passed_over():
    ports = pool(31100, 31103)
    loop = asyncio.get_running_loop()
    stranger, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 31100))
    session = await open_session(MediaSettings(first_port=31100, last_port=31103), ports, Ear())
    assert session.port == 31102
    with pytest.raises(NoMediaPort):
        await open_session(MediaSettings(first_port=31100, last_port=31103), ports, Ear())
    session.close()
    session.close()
    stranger.close()


@pytest.mark.parametrize("turns", range(6))
async def test_a_call_that_is_given_up_while_its_port_is_opened_gives_it_back(turns):
    ports = PortPool(43000, 43003, asyncio.get_running_loop().time, rest=0)
    task = asyncio.create_task(open_session(MediaSettings("localhost"), ports, Ear()))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        (await task).close()
    await asyncio.sleep(0.05)
    assert len(ports) == 2
    (await open_session(MediaSettings(), ports, Ear())).close()
