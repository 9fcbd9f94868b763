"""What lies on another node's disk; how it is fetched is in test_calls and test_voicemails."""

import pytest
from fastapi import HTTPException

from gateway.api.peers import from_other
from tests.gatewayd import running, settings_for


async def test_a_node_that_is_gone_or_this_one_has_nothing_to_give(tmp_path):
    async with running(settings_for(tmp_path, {"eve": "greeting: Hello.\n"})) as (gateway, _):
        for whose in ("gone", gateway.store.me):
            with pytest.raises(HTTPException) as caught:
                await from_other(gateway, None, whose, "the recording")
            assert (caught.value.status_code, f"{whose} is gone" in caught.value.detail) == (404, True)
