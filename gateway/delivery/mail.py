"""Mail by SMTP: a message that a caller left, with its sound and its words."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr, make_msgid
from pathlib import Path
from typing import Annotated, Any, Literal

import aiosmtplib

from gateway.document import says
from gateway.errors import plain

SECONDS = 30.0
"""For the server to take one."""

MOST_ATTACHED = 4_000_000
"""Bytes of sound: four minutes. A longer message is in the dashboard alone: the loop has calls to serve."""


@dataclass(frozen=True, slots=True)
class MailSettings:
    """`password` is secret."""

    server: Annotated[str, says("the SMTP server", "smtp.example.com")]
    sender: Annotated[str, says("whose address mail comes from", "voicemail@example.com", pattern=r"^[^\s@]+@[^\s@]+$")]
    port: Annotated[int, says("of the server", ge=1, le=65535)] = 587
    security: Annotated[
        Literal["starttls", "tls", "none"], says("starttls (usually port 587), tls (465), or none (25)")
    ] = "starttls"
    user: Annotated[str, says("the login; empty: none")] = ""
    password: str = field(default="", repr=False)


def mail_of(message: dict[str, Any], to: tuple[str, ...], sender: str, path: Path | None) -> EmailMessage:
    """`message` as the API shows it, with the sound of `path`. It reads and encodes: for a thread. Raises OSError."""
    who = " ".join(str(message.get("caller_name") or message["caller"]).split())
    mail = EmailMessage()
    mail["Subject"] = f"Voicemail from {who} for {message['box']} ({message['seconds']:.0f} s)"
    mail["From"] = formataddr(("Voicemail", sender))
    mail["To"] = ", ".join(to)
    mail["Date"] = format_datetime(datetime.fromtimestamp(message["at"], UTC))
    mail["Message-ID"] = make_msgid(message["id"], sender.rpartition("@")[2])
    lines = [
        f"From:    {who} <{message['caller']}>",
        f"To:      {message['called']}",
        f"When:    {datetime.fromtimestamp(message['at'], UTC):%Y-%m-%d %H:%M} UTC",
        f"Length:  {message['seconds']:.0f} s",
        f"Message: {message['id']}",
        "",
        message.get("transcript") or "(there is no transcript)",
    ]
    mail.set_content("\n".join(lines) + "\n")
    if path and path.stat().st_size <= MOST_ATTACHED:
        mail.add_attachment(path.read_bytes(), maintype="audio", subtype="wav", filename=path.name)
    return mail


async def send(mail: EmailMessage, settings: MailSettings) -> None:
    """Raises ValueError, which says why it was not taken."""
    recipients = [one.strip() for one in str(mail["To"]).split(",")]
    whole = await asyncio.to_thread(mail.as_bytes, policy=SMTP)
    try:
        await aiosmtplib.send(
            whole,
            sender=settings.sender,
            recipients=recipients,
            hostname=settings.server,
            port=settings.port,
            username=settings.user or None,
            password=settings.password or None,
            use_tls=settings.security == "tls",
            start_tls=settings.security == "starttls",
            timeout=SECONDS,
        )
    except (aiosmtplib.SMTPException, OSError) as error:
        raise ValueError(f"{settings.server}:{settings.port}: {plain(error)}") from error
