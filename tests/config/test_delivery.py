from pathlib import Path

import pytest

from gateway.config.delivery import Records, WebhookRow, delivery_of
from gateway.errors import ConfigError


def test_what_is_wanted_and_what_signs_it():
    held = {"HOOK": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "DATABASE": "postgresql://h/calls", "BAD": "not base64!"}

    def secret(row, name, key):
        return held[name]

    rows = WebhookRow(url="https://h/", secret_env="HOOK"), WebhookRow(name="b", url="http://h", events=["call.ended"])
    found = delivery_of(rows, Records(file="calls.jsonl", postgres_env="DATABASE"), 1.0, Path("/x"), secret)
    assert (found.file, found.postgres, found.expire_seconds) == (Path("/x/calls.jsonl"), held["DATABASE"], 3600)
    assert found.webhooks[1].events == ("call.ended",)
    assert "MfKQ" not in repr(found)
    assert "postgresql" not in repr(found)
    with pytest.raises(ConfigError, match="BAD does not hold base64"):
        delivery_of((WebhookRow(url="https://h/", secret_env="BAD"),), Records(), 1.0, Path(), secret)
    with pytest.raises(ConfigError, match="same name"):
        delivery_of((WebhookRow(url="https://h/"),) * 2, Records(), 1.0, Path(), secret)
