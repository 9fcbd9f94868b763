from gateway.store import keys


def test_every_key_has_its_prefix():
    named = {keys.LIVE, keys.ENDED, keys.call("x"), keys.events("x")}
    assert len(named) == 4
    assert all(key.startswith("gateway:") for key in named)
    for key in (keys.LIVE, keys.ENDED, keys.call("ID"), keys.events("ID")):
        assert f"`{key}`" in (keys.__doc__ or "")
