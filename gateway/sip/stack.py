"""The core with all that uses it: calls in both directions, and telephones that register."""

from __future__ import annotations

from typing import Any

from gateway.errors import TrunkBusy
from gateway.sip.core import Core
from gateway.sip.invite.incoming_invites import IncomingInvites
from gateway.sip.invite.uac import InviteParameters, UacSession
from gateway.sip.register.registrar import RegisterHandler, Registrar


class Stack:
    """One node's. `options` are the core's."""

    def __init__(self, *, max_calls: int = 0, max_setups: int = 300, **options: Any) -> None:
        self.core = Core(**options)
        self.incoming = IncomingInvites(self.core, max_calls, max_setups)
        self.registrar = Registrar()
        self.core.handle("INVITE", self.incoming)
        self.core.handle("REGISTER", RegisterHandler(self.core, self.registrar))
        self.core.trust(self.registrar.reaches)

    def invite(self, asked: InviteParameters, now: float) -> UacSession:
        """Send an INVITE. Raises TrunkBusy."""
        core = self.core
        if asked.trunk and core.trunks.admit(asked.trunk, now):
            raise TrunkBusy(asked.trunk.name)
        return UacSession(core, asked, core.token(), core.token(), now)
