"""The items of a conversation, in their order, with the client events that create, show and delete them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

from gateway.local.checks import EventError

Item = dict[str, Any]


def new_id(kind: str) -> str:
    """Such as item_0123456789abcdef."""
    return f"{kind}_{secrets.token_hex(8)}"


def new_item(identity: str, kind: str, **fields: Any) -> Item:
    return {"id": identity, "object": "realtime.item", "type": kind, "status": "completed", **fields}


class ConversationItems:
    """One session's. `send` takes server events."""

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        self._send = send
        self._items: list[Item] = []

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    @property
    def last_id(self) -> str | None:
        return self._items[-1]["id"] if self._items else None

    def insert(self, item: Item, previous: str | None) -> None:
        """Behind the item `previous`; None: at the beginning."""
        where = next((i + 1 for i, one in enumerate(self._items) if one["id"] == previous), 0)
        self._items.insert(where, item)
        self._send({"type": "conversation.item.added", "previous_item_id": previous, "item": item})
        self._send({"type": "conversation.item.done", "previous_item_id": previous, "item": item})

    def append(self, item: Item) -> None:
        """At the end; what is told of it is told by its response."""
        self._items.append(item)

    def before(self, identity: str) -> str | None:
        """The id of the item that stands before that one."""
        places = [one["id"] for one in self._items]
        place = places.index(identity) if identity in places else 0
        return places[place - 1] if place else None

    def find(self, identity: str, code: str, param: str = "item_id") -> Item:
        """Raises EventError with that code."""
        for item in self._items:
            if item["id"] == identity:
                return item
        raise EventError(code, f"Item with id {identity!r} not found.", param)

    def create(self, event: dict[str, Any]) -> None:
        """conversation.item.create. Raises EventError."""
        given, kind = event["item"], event["item"]["type"]
        identity = given.get("id") or new_id("item")
        if any(one["id"] == identity for one in self._items):
            raise EventError("item_create_duplicate_item_id", f"Item with id {identity!r} already exists.", "item.id")
        previous = event.get("previous_item_id") or self.last_id
        if previous == "root":
            previous = None
        elif previous is not None:
            self.find(previous, "item_create_invalid_previous_item_id", "previous_item_id")
        fields = {key: value for key, value in given.items() if key not in ("id", "object", "status")}
        self.insert({**new_item(identity, kind), **fields}, previous)

    def retrieve(self, event: dict[str, Any]) -> None:
        """conversation.item.retrieve. Raises EventError."""
        item = self.find(event["item_id"], "item_retrieve_invalid_item_id")
        self._send({"type": "conversation.item.retrieved", "item": item})

    def delete(self, event: dict[str, Any]) -> None:
        """conversation.item.delete. Raises EventError."""
        item = self.find(event["item_id"], "item_delete_invalid_item_id")
        self._items.remove(item)
        self._send({"type": "conversation.item.deleted", "item_id": item["id"]})
