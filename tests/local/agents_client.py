"""OpenAI's agents SDK as a client: `agents_client.py URL FOLDER`, with PCM16 at 24 kHz in files of the folder.

A program of its own, for its package has the name of this project's folder `agents`. Prints what it saw as JSON.
"""

import asyncio
import json
import sys
from pathlib import Path

from agents.realtime import RealtimeAgent, RealtimeRunner

from agents import function_tool

url, folder = sys.argv[1], Path(sys.argv[2])
seen = {"called": 0, "audio_bytes": 0, "kinds": [], "errors": []}


@function_tool
async def opening_hours() -> str:
    """When we are open."""
    seen["called"] += 1
    return "all day"


async def main() -> None:
    agent = RealtimeAgent(name="eve", instructions="Be nice.", tools=[opening_hours])
    runner = RealtimeRunner(agent, config={"model_settings": {"model_name": "agent"}})
    async with await runner.run(model_config={"url": url, "api_key": "k"}) as session, asyncio.timeout(90):

        async def say(name: str) -> None:
            audio = (folder / name).read_bytes()
            for at in range(0, len(audio), 4800):
                await session.send_audio(audio[at : at + 4800])

        async def until(kind: str) -> None:
            async for event in session:
                seen["kinds"].append(event.type)
                if event.type == "error":
                    seen["errors"].append(str(event.error))
                if event.type == "audio":
                    seen["audio_bytes"] += len(event.audio.data)
                if event.type == kind:
                    return

        await say("question")
        await until("tool_end")
        await until("audio_end")
        await say("story")
        await until("audio")
        await say("stop")
        await until("audio_interrupted")
        await until("audio_end")
    print(json.dumps(seen))


asyncio.run(main())
