import pytest

from gateway.bridge.reasons import REASONS
from gateway.bridge.resources import BridgeSettings, Resources
from gateway.errors import AgentBusy, NoMediaPort, NoSuchAgent
from gateway.rtp import MediaSettings
from gateway.sip import SipSettings, UserAgent


async def test_agents_by_name_and_reasons_by_the_settings():
    user_agent = UserAgent(SipSettings(), lambda event: None)
    settings = BridgeSettings(retry_after={"no_media_port": 3})
    resources = Resources(settings, MediaSettings("127.0.0.1"), {"eve": "her"}, {}, user_agent)
    assert resources.agent("eve") == "her"
    with pytest.raises(NoSuchAgent, match=r"bob.*eve"):
        resources.agent("bob")
    assert resources.reason_of(NoMediaPort(1, 2)).headers["Retry-After"] == "3"
    assert resources.reason_of(AgentBusy("eve")) is REASONS[AgentBusy]
    assert resources.web is resources.web  # made once
    await resources.close()
    assert resources.web.is_closed
