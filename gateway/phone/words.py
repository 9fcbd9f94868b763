"""What the agent says, printed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np

from gateway import events
from gateway.errors import ApiError
from gateway.local.ears import NO_EARS, dictate
from gateway.phone.errand import HZ

Say = Callable[[str], None]


class Follows(Protocol):
    """A gateway that tells what happens in its calls, such as `gateway.cli.remote.Remote`."""

    def get(self, path: str) -> Any: ...
    def post(self, path: str, body: dict[str, Any] | None = None) -> Any: ...
    def follow(self, path: str) -> Iterator[dict[str, Any]]: ...


class Words:
    """What the agent says, printed: by the API of the gateway that has the call, or by the ears of this machine."""

    def __init__(self, say: Say, gateway: Follows | None) -> None:
        self._say, self._gateway = say, gateway
        self._sip_call_ids, self._call_ids = set[str](), set[str]()  # of a call, and of the one that follows it
        self._told = False  # by the API
        self._deaf = False  # the gateway's own server understands no words
        self._latest = ""  # call of ours, as the API calls it
        self._audio = bytearray()
        self._loud = False
        self._ears = ThreadPoolExecutor(1, "ears")
        if gateway:
            threading.Thread(target=self._follow, args=(gateway,), daemon=True, name="words").start()

    def known_as(self, sip_call_id: str) -> None:
        self._sip_call_ids.add(sip_call_id)

    def _follow(self, gateway: Follows) -> None:
        with contextlib.suppress(ApiError, OSError, ValueError):
            self._deaf = NO_EARS in gateway.get("/ready").get("warnings", ())
        with contextlib.suppress(ApiError, OSError, ValueError):  # none is there, or it wants a key: ears will do
            for event in gateway.follow("/v1/events"):
                record = event.get("record") or {}
                if record.get("sip_call_id") in self._sip_call_ids:
                    self._call_ids.add(event["call_id"])
                    self._latest = event["call_id"]
                    self._told = True
                if event["type"] == events.Transcript.type and event["call_id"] in self._call_ids:
                    who = "agent" if event["data"]["role"] == "assistant" else "heard of you"
                    self._say(f"{who}: {event['data']['text']}")

    def hand_over(self, text: str) -> bool:
        """Give our words to the agent as text, where it cannot hear them; else they have to be spoken (False)."""
        if not self._deaf or not self._latest or self._gateway is None:
            return False
        where, item = f"/v1/calls/{self._latest}/inject", {"text": text, "role": "user", "respond": True}
        self._ears.submit(self._post, self._gateway, where, item)
        return True

    def _post(self, gateway: Follows, where: str, item: dict[str, Any]) -> None:
        try:
            gateway.post(where, item)
        except (ApiError, OSError) as error:
            self._say(f"the gateway does not take our words: {error}")

    def hear(self, frame: bytes) -> None:
        """20 ms, from a thread of the library's."""
        self._audio += frame

    def pause(self) -> None:
        """The agent is silent: what it has said is a whole."""
        audio, self._audio = bytes(self._audio), bytearray()
        if self._told or len(audio) < HZ:  # half a second
            return
        samples = np.frombuffer(audio[: len(audio) // 2 * 2], "<i2")
        if np.abs(samples).max() > 500:
            self._ears.submit(self._understand, samples)

    def _understand(self, samples: Any) -> None:
        if (words := dictate(samples, HZ)) and not self._told:
            self._say(f"agent, as a machine hears it: {words}")

    def close(self) -> None:
        self.pause()
        self._ears.shutdown()
