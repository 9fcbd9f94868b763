import asyncio

from gateway.api import streams


async def test_an_event_a_comment_and_the_end(monkeypatch):
    monkeypatch.setattr(streams, "KEEPALIVE_SECONDS", 0.05)
    closed = []

    async def events():
        try:
            yield {"id": "1-0", "type": "answered", "x": 1}
            await asyncio.sleep(0.08)
            yield {"type": "levels"}
        finally:
            closed.append(True)

    found = [piece async for piece in streams._sse(events())]
    assert found[0] == b": here\n\n"
    assert found[1] == b'id: 1-0\nevent: answered\ndata: {"id":"1-0","type":"answered","x":1}\n\n'
    assert found[2] == b": still here\n\n"
    assert found[-1] == b'event: levels\ndata: {"type":"levels"}\n\n'
    assert closed == [True]


async def test_who_leaves_ends_what_was_followed():
    closed = []

    async def events():
        try:
            while True:
                yield {"type": "x"}
        finally:
            closed.append(True)

    stream = streams._sse(events())
    for _ in range(3):
        await anext(stream)
    await stream.aclose()
    assert closed == [True]


async def test_who_leaves_while_nothing_happens_ends_it_too():
    closed = []

    async def events():
        try:
            await asyncio.sleep(60)
            yield {"type": "x"}
        finally:
            closed.append(True)

    stream = streams._sse(events())
    await anext(stream)
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.01)
    waiting.cancel()
    assert isinstance((await asyncio.gather(waiting, return_exceptions=True))[0], asyncio.CancelledError)
    assert closed == [True]
