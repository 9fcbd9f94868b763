import pytest

from gateway.records import Party


@pytest.mark.parametrize(
    ("uri", "user"),
    [("sip:ann@h", "ann"), ("tel:+15551234;ext=1", "+15551234"), ("sip:h", "h"), ("sips:a%20b@h:5061", "a%20b")],
)
def test_the_user_of_a_party(uri, user):
    assert Party(uri).user == user
