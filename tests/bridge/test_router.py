import pytest

from gateway.bridge import Route, Router
from gateway.errors import NoRoute

ROUTER = Router((Route("+1555*", "sales"), Route("Reception", "bob"), Route("[0-9][0-9]", "extensions")))


@pytest.mark.parametrize(("called", "agent"), [("+15551234", "sales"), ("reception", "bob"), ("42", "extensions")])
def test_the_first_that_fits_answers(called, agent):
    assert ROUTER.agent_for(called) == agent


def test_a_route_may_be_for_one_trunk():
    router = Router((Route("*", "bob", trunk="acme*"), Route("1*", "eve")))
    assert [router.agent_for("123", "acme-eu"), router.agent_for("123", "other")] == ["bob", "eve"]
    with pytest.raises(NoRoute, match=r"is for the trunk 'acme\*', not ''"):
        router.agent_for("99")


def test_a_number_that_nobody_answers_for_names_every_rule():
    with pytest.raises(NoRoute) as caught:
        ROUTER.agent_for("421")
    assert str(caught.value).count("does not match") == 3
    assert "'[0-9][0-9]' (extensions)" in str(caught.value)
