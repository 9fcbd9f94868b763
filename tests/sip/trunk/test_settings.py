"""Every setting says what it means, with an example that loads; what they do is tested where it is done."""

from dataclasses import fields
from typing import get_type_hints

import pytest

from gateway.config.sip import TrunkRow, trunk_of
from gateway.sip import Match, Numbers, Trunk, TrunkTls
from gateway.sip.trunk.settings import GROUPS
from tests.sip.trunk.test_identity import incoming

SECTIONS = {Trunk: (), Match: ("match",), Numbers: ("numbers",), TrunkTls: ("tls",)}
NEEDS = {
    "client_certificate": {"ca": "ca.pem"},
    "client_names": {"ca": "ca.pem", "client_certificate": "required"},
    "certificate": {"key": "x"},
    "key": {"certificate": "x"},
}


def settings():
    for kind in SECTIONS:
        hints = get_type_hints(kind, include_extras=True)
        for one in fields(kind):
            if one.name == "hints":  # not in the file
                continue
            yield pytest.param(kind, one.name, hints[one.name].__metadata__[0], id=f"{kind.__name__}.{one.name}")


@pytest.mark.parametrize(("kind", "name", "about"), list(settings()))
def test_every_setting_has_a_meaning_and_an_example_that_loads(kind, name, about):
    assert about.description
    assert about.description[-1] != "."
    (example,) = about.examples
    key = {"credentials": "login", "peer_names": "peers"}.get(name, name)
    row = {"name": "a", "server": "sip:h", "profile": ""}
    if kind is Trunk:
        row |= {key: example} if key != "profile" else {}
    else:
        row |= {SECTIONS[kind][0]: {key: example} | NEEDS.get(name, {})}
    trunk = trunk_of(TrunkRow.model_validate(row), lambda variable, key: "secret")
    holder = trunk if kind is Trunk else getattr(trunk, SECTIONS[kind][0])
    if name != "profile":
        default = next(one for one in fields(kind) if one.name == name)
        assert getattr(holder, name) != default.default


def test_the_groups_hold_every_setting_once_and_in_order():
    names = [one.name for one in fields(Trunk)]
    places = [names.index(edge) for pair in GROUPS.values() for edge in pair]
    assert places == sorted(places)
    assert (places[0], places[-1]) == (0, len(names) - 1)
    assert all(after == before + 1 for before, after in zip(places[1::2], places[2::2], strict=False))


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        (Match(), False),
        (Match(request_user="contact-*"), True),
        (Match(request_user="other"), False),
        (Match(request_host="192.0.2.1"), True),
        (Match(from_host="PBX"), True),
        (Match(from_host="elsewhere"), False),
        (Match(headers={"X-Token": "7KQ2"}), True),
        (Match(headers={"x-token": "7kq*"}, from_host="pbx"), True),
        (Match(headers={"X-Token": "7KQ2"}, from_host="elsewhere"), False),
        (Match(headers={"X-Other": "?*"}), False),
    ],
)
def test_what_an_invite_has_to_have(match, fits):
    request = incoming("X-Token: 7KQ2")
    assert bool(match and match.fits(request)) is fits
