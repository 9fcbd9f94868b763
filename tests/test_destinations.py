import pytest

from gateway.destinations import Destination, read


@pytest.mark.parametrize(
    ("text", "kind", "name", "trunk"),
    [
        ("agent:bob", "agent", "bob", ""),
        ("Menu:main", "menu", "main", ""),
        ("hours:office", "hours", "office", ""),
        ("voicemail:support", "voicemail", "support", ""),
        (" hangup ", "hangup", "", ""),
        ("sip:ann@pbx.example", "sip", "sip:ann@pbx.example", ""),
        ("sip:ann@pbx.example;transport=tcp?trunk=phones", "sip", "sip:ann@pbx.example;transport=tcp", "phones"),
        ("sip:ann@h?X-A=1&trunk=phones&X-B=2", "sip", "sip:ann@h?X-A=1&X-B=2", "phones"),
        ("sip:ann@h?trunk=phones&X-B=2", "sip", "sip:ann@h?X-B=2", "phones"),
        ("sips:ann@h", "sips", "sips:ann@h", ""),
        ("tel:+4930123?trunk=acme", "tel", "tel:+4930123", "acme"),
        ("+49 (30) 12-3", "tel", "tel:+4930123", ""),
        ("*45", "tel", "tel:*45", ""),
    ],
)
def test_each_word_is_read(text, kind, name, trunk):
    found = read(text)
    assert found == Destination(kind, name, trunk)
    assert read(str(found)) == found  # as it is written


@pytest.mark.parametrize("text", ["", "reception", "menu:", "menu:a b", "agent:x?trunk=y", "http://x", "sip:", "tel:"])
def test_what_is_none_says_what_there_is(text):
    with pytest.raises(ValueError, match=r"is no destination|names no"):
        read(text)


def test_only_telephones_are_called():
    assert [read(one).telephone for one in ("tel:1", "sip:a@b", "hangup", "menu:m")] == [True, True, False, False]
