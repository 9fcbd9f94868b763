import re

from gateway.store import keys


def test_every_key_has_the_hash_tag_and_its_row():
    functions = (keys.call, keys.events, keys.levels, keys.node, keys.commands, keys.reply, keys.voicemail)
    named = [one("ID") for one in functions] + [keys.idempotency("KEY")]
    named += [keys.LIVE, keys.ENDED, keys.EVENTS, keys.NODES, keys.OUTBOX, keys.DEAD, keys.COURIER, keys.KEYS]
    named += [keys.AUDIT, keys.LEVELS, keys.WATCHED, keys.PEER, keys.ERASED, keys.HOURS, keys.VOICEMAILS]
    assert all(key.startswith("{gateway}:") for key in named)
    rows = re.findall(r"^\| `(.+?)` \|", keys.__doc__ or "", re.MULTILINE)
    assert sorted(rows) == sorted(named)
