"""Mail, to a server that was not written here."""

from contextlib import contextmanager

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from gateway.delivery.mail import MOST_ATTACHED, MailSettings, mail_of, send
from tests.gatewayd import free_port

MESSAGE = {
    "id": "call_1", "box": "support", "caller": "sip:+4930@h", "caller_name": "Ann\nBcc: x@y", "called": "sip:100@us",
    "at": 1.8e9, "seconds": 12.3, "transcript": "Call me back.",
}  # fmt: skip


class Inbox:
    def __init__(self):
        self.mails = []

    async def handle_DATA(self, server, session, envelope):
        self.mails.append(envelope)
        return "250 OK"


@contextmanager
def server(**options):
    inbox = Inbox()
    controller = Controller(inbox, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield inbox, controller.port
    finally:
        controller.stop()


async def test_a_message_with_its_sound_and_its_words(tmp_path):
    (path := tmp_path / "call_1.wav").write_bytes(b"RIFF sound")
    mail = mail_of(MESSAGE, ("team@example.com", "ann@example.com"), "voicemail@example.com", path)
    with server() as (inbox, port):
        await send(mail, MailSettings("127.0.0.1", "voicemail@example.com", port, "none"))
    (taken,) = inbox.mails
    assert taken.rcpt_tos == ["team@example.com", "ann@example.com"]
    text = taken.content.decode()
    assert "Subject: Voicemail from Ann Bcc: x@y for support (12 s)" in text
    assert not any(line.startswith("Bcc:") for line in text.splitlines())
    assert "Call me back." in text
    assert 'filename="call_1.wav"' in text


def test_without_words_or_sound_it_says_so():
    mail = mail_of(MESSAGE | {"transcript": None, "caller_name": ""}, ("a@b.example",), "v@b.example", None)
    assert "(there is no transcript)" in mail.get_content()
    assert "sip:+4930@h" in mail["Subject"]


def test_a_long_message_is_left_out(tmp_path):
    (path := tmp_path / "call_1.wav").write_bytes(bytes(MOST_ATTACHED + 1))
    assert not list(mail_of(MESSAGE, ("a@b.example",), "v@b.example", path).iter_attachments())


async def test_a_server_that_does_not_take_it_is_named():
    mail = mail_of(MESSAGE, ("a@b.example",), "v@b.example", None)
    with pytest.raises(ValueError, match=r"127.0.0.1:9: "):
        await send(mail, MailSettings("127.0.0.1", "v@b.example", 9, "none"))
    login = lambda *asked: AuthResult(success=False, handled=False)  # noqa: E731
    with (
        server(authenticator=login, auth_require_tls=False) as (_, port),
        pytest.raises(ValueError, match=rf"127.0.0.1:{port}: .*5\d\d"),
    ):
        await send(mail, MailSettings("127.0.0.1", "v@b.example", port, "none", "ann", "wrong"))
