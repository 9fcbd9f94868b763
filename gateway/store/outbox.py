"""What has to reach somebody outside, kept until it has: a stream that all nodes write and one of them empties.

An entry is `for` whom it is, the call it is about, and a JSON body. Writes may be repeated when an answer of Redis was
lost, so an entry can come twice: its body bears an id by which receivers know it.
"""

from __future__ import annotations

from typing import Any

from gateway.errors import StoreUnavailable
from gateway.store import keys
from gateway.store.client import AWAY, ask
from gateway.store.writer import Command

ERASE = "erase "
"""What the body of an entry begins with that erases; JSON follows: `ids` of calls, and `number`."""

_LEAD = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

_GIVE_UP = """
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, 3))
return redis.call('XDEL', KEYS[1], ARGV[2])
"""

_RESIGN = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"

_RETRY = """
local entries, count = redis.call('XRANGE', KEYS[2], ARGV[1], ARGV[2], 'COUNT', ARGV[3]), 0
for _, entry in ipairs(entries) do
  local kept = {}
  for i = 1, #entry[2], 2 do
    if entry[2][i] ~= 'problem' then kept[#kept + 1] = entry[2][i]; kept[#kept + 1] = entry[2][i + 1] end
  end
  redis.call('XADD', KEYS[1], '*', unpack(kept))
  redis.call('XDEL', KEYS[2], entry[1])
  count = count + 1
end
return count
"""


def entry(one: dict[str, str]) -> Command:
    """What puts it there."""
    fields = [part for pair in one.items() for part in pair]
    return ("XADD", keys.OUTBOX, "MAXLEN", "~", 2 * keys.MAX_OUTBOX, "*", *fields)  # `trim` comes long before that


class Outbox:
    """`me` is this node's id. Raises StoreUnavailable."""

    def __init__(self, redis: Any, url: str, me: str) -> None:
        self._redis, self._url, self._me = redis, url, me

    async def lead(self) -> bool:
        """Whether it is for us to deliver, for `LEASE_SECONDS` from now."""
        return bool(await self._ask("EVAL", _LEAD, 1, keys.COURIER, self._me, int(keys.LEASE_SECONDS * 1000)))

    async def resign(self) -> None:
        await self._ask("EVAL", _RESIGN, 1, keys.COURIER, self._me)

    async def read(self, after: str, count: int) -> list[tuple[str, dict[str, str]]]:
        """Entries behind that one, in order."""
        return await self._range(keys.OUTBOX, after, count)

    async def waits(self, entry_id: str) -> bool:
        """Whether it is still there: what is erased while it waits is not to be delivered."""
        return bool(await self._ask("XRANGE", keys.OUTBOX, entry_id, entry_id))

    async def done(self, entry_id: str) -> None:
        await self._ask("XDEL", keys.OUTBOX, entry_id)

    async def give_up(self, entry_id: str, one: dict[str, str], problem: str) -> None:
        """Give it up: it goes to the dead letters."""
        fields = [part for pair in one.items() for part in pair]
        arguments = (keys.MAX_DEAD, entry_id, *fields, "problem", problem)
        await self._ask("EVAL", _GIVE_UP, 2, keys.OUTBOX, keys.DEAD, *arguments)

    async def trim(self) -> tuple[int, int]:
        """How many entries wait, and how many of the oldest had to go because there were too many."""
        lost = int(await self._ask("XTRIM", keys.OUTBOX, "MAXLEN", keys.MAX_OUTBOX))
        return int(await self._ask("XLEN", keys.OUTBOX)), lost

    async def add(self, entries: list[dict[str, str]]) -> None:
        """What did not come from an event of a call."""
        for one in entries:
            await self._ask(*entry(one))

    async def dead(self, after: str, count: int) -> list[tuple[str, dict[str, str]]]:
        """Dead letters, oldest first, with their `problem`."""
        return await self._range(keys.DEAD, after, count)

    async def retry_dead(self, count: int, entry_id: str = "") -> int:
        """Try so many dead letters again, oldest first, or the one of that id; how many there were."""
        first, last = (entry_id, entry_id) if entry_id else ("-", "+")
        return int(await self._ask("EVAL", _RETRY, 2, keys.OUTBOX, keys.DEAD, first, last, count))

    async def lengths(self) -> tuple[int, int]:
        """What waits, and what was given up."""
        return int(await self._ask("XLEN", keys.OUTBOX)), int(await self._ask("XLEN", keys.DEAD))

    async def _range(self, stream: str, after: str, count: int) -> list[tuple[str, dict[str, str]]]:
        try:
            entries = await self._redis.xrange(stream, f"({after}" if after else "-", count=count)
        except AWAY as error:
            raise StoreUnavailable(self._url, str(error)) from error
        return [(one.decode(), {key.decode(): value.decode() for key, value in of.items()}) for one, of in entries]

    async def _ask(self, *command: Any) -> Any:
        return await ask(self._redis, self._url, *command)
