import pytest

from gateway.errors import SipParseError
from gateway.sip.message.grammar import (
    format_params,
    parse_host_port,
    parse_int,
    parse_params,
    quote,
    split_outside,
    unquote,
)


def test_split_minds_quotes_and_brackets():
    assert split_outside('"a, \\" b" <sip:x,y@h>, <sip:z>', ",") == ['"a, \\" b" <sip:x,y@h>', "<sip:z>"]
    with pytest.raises(SipParseError, match="not closed"):
        split_outside('"a, b', ",")


def test_quotes_go_there_and_back_and_keep_line_ends_out():
    assert unquote(quote('say "hi" \\')) == 'say "hi" \\'
    assert quote("a\r\nVia: evil") == '"a  Via: evil"'


def test_params_keep_flags_and_lower_names():
    params = parse_params(["LR", "Tag= x ", ""])
    assert params == {"lr": "", "tag": "x"}
    assert format_params(params) == ";lr;tag=x"


@pytest.mark.parametrize("text", ["", "-1", "65536", "１", "1e3", "9" * 40])
def test_numbers_are_decimal_and_bounded(text):
    with pytest.raises(SipParseError, match="port"):
        parse_int(text, "port", 65535)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("h", ("h", None)), ("h:5060", ("h", 5060)), ("[::1]:5061", ("::1", 5061)), ("[::1]", ("::1", None))],
)
def test_hosts(text, expected):
    assert parse_host_port(text) == expected


@pytest.mark.parametrize("text", ["", "[::1", "[::1]x", "a b", "h:port", "<h>"])
def test_bad_hosts(text):
    with pytest.raises(SipParseError):
        parse_host_port(text)
