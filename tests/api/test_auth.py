from types import SimpleNamespace

from gateway.api.auth import LOCAL, Allowance, Keys, Principal, bearer, is_local, role_for
from gateway.errors import StoreUnavailable
from gateway.store.access import hash_of


def test_what_each_request_needs():
    for method, path, role in (
        ("GET", "/health", ""), ("GET", "/ready", ""), ("GET", "/", ""), ("GET", "/dashboard/app.js", ""),
        ("GET", "/v1/calls", "read"), ("GET", "/metrics", "read"), ("GET", "/docs", ""),
        ("POST", "/v1/calls", "operate"), ("DELETE", "/v1/calls/x", "operate"),
        ("WEBSOCKET", "/v1/realtime", "operate"),
        ("POST", "/v1/nodes/x/drain", "admin"), ("GET", "/v1/nodes", "read"),
        ("GET", "/v1/keys", "admin"), ("GET", "/v1/audit", "admin"), ("POST", "/v1/outbox/dead/retry", "admin"),
        ("DELETE", "/v1/records/x", "admin"), ("POST", "/v1/webhooks/test", "admin"), ("GET", "/docs/x.js", ""),
    ):  # fmt: skip
        assert (method, path, role_for(method, path)) == (method, path, role)


def test_roles_hold_each_other():
    reader = Principal("a", "a", "read")
    assert reader.may("read")
    assert not reader.may("operate")
    assert LOCAL.may("admin")


def test_this_machine_is_believed_only_when_nobody_else_speaks_through_it():
    host = {"host": "127.0.0.1:8080"}
    assert is_local("127.0.0.1", host)
    assert is_local("::1", {"host": "[::1]:8080"})
    assert is_local("127.0.0.1", {"host": "localhost:8080", "origin": "http://localhost:8080"})
    assert not is_local("192.0.2.1", host)
    assert not is_local("127.0.0.1", host | {"x-forwarded-for": "192.0.2.1"})
    assert not is_local("127.0.0.1", {"host": "evil.example"})  # a name that was bound to 127.0.0.1 meanwhile
    assert not is_local("127.0.0.1", host | {"origin": "https://evil.example"})  # somebody else's page
    assert not is_local("unix", host)


def test_an_allowance_fills_up_again():
    allowance = Allowance(10)
    assert [allowance.take("a", 0.0) for _ in range(20)] == [0.0] * 20
    assert allowance.take("a", 0.0) == 0.1
    assert allowance.take("b", 0.0) == 0.0
    assert allowance.take("a", 0.2) == 0.0
    assert Allowance(0).take("a", 0.0) == 0.0


def test_where_keys_may_stand():
    assert bearer({"authorization": "Bearer k"}) == bearer({"authorization": "bearer  k"}) == "k"
    assert bearer({"x-api-key": "k"}) == "k"
    assert bearer({"authorization": "Basic k"}) == ""


async def test_keys_that_were_in_use_stay_good_while_redis_is_away():
    async def known():
        if away:
            raise StoreUnavailable("redis://h", "gone")
        return {"ab": {"name": "desk", "role": "operate", "hash": hash_of("gw_ab_secret")}}

    away = []
    keys = Keys(SimpleNamespace(access=SimpleNamespace(keys=known)), "")
    assert await keys.find("gw_ab_secret") == Principal("ab", "desk", "operate")
    away.append(True)
    keys.forget()  # so that it has to look
    assert await keys.find("gw_ab_secret") == Principal("ab", "desk", "operate")
    assert await keys.find("gw_ab_wrong") is None
    assert await keys.find("gw_cd_secret") is None
