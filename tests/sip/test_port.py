"""Whoever uses the core is what its port says; the core knows none of them by name."""

import ast
from pathlib import Path

import gateway.sip.core as module
from gateway.sip.core import Core
from gateway.sip.invite.incoming_invites import IncomingInvites
from gateway.sip.invite.uac import UacSession
from gateway.sip.invite.uas import UasSession
from gateway.sip.port import CorePort, DialogUsage, RequestHandler
from gateway.sip.register.registrar import RegisterHandler


def verbs(protocol):
    return {name for name in (*vars(protocol), *protocol.__annotations__) if not name.startswith("_")}


def test_who_implements_what():
    core = Core(user_agent="test")
    assert all(hasattr(core, name) for name in verbs(CorePort))
    for usage in (UacSession, UasSession):
        assert all(hasattr(usage, name) for name in verbs(DialogUsage) - {"trunk"})
    for handler in (IncomingInvites, RegisterHandler):
        assert all(hasattr(handler, name) for name in verbs(RequestHandler))


def test_the_core_imports_nobody_who_uses_it():
    names = [
        node.module
        for node in ast.walk(ast.parse(Path(module.__file__).read_text()))
        if isinstance(node, ast.ImportFrom)
    ]
    assert not [name for name in names if name and name.startswith(("gateway.sip.invite", "gateway.sip.register"))]
    assert "gateway.sip.dialog.session" not in names
