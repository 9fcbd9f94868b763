"""What is told to others: webhooks, and the records of calls. This is the package's public interface."""

from gateway.delivery.courier import Courier, PermanentFailure, Receiver
from gateway.delivery.jsonl import RecordFile
from gateway.delivery.mail import MailSettings
from gateway.delivery.summaries import AFTER, AfterSettings, SummaryReceiver
from gateway.delivery.transcription import TranscriptionService
from gateway.delivery.voicemails import VoicemailDesk, VoicemailSettings
from gateway.delivery.webhooks import (
    WebhookReceiver,
    WebhookSettings,
    deliver_test,
    entries_for,
    entries_for_erased,
)

__all__ = [
    "AFTER",
    "AfterSettings",
    "Courier",
    "MailSettings",
    "PermanentFailure",
    "Receiver",
    "RecordFile",
    "SummaryReceiver",
    "TranscriptionService",
    "VoicemailDesk",
    "VoicemailSettings",
    "WebhookReceiver",
    "WebhookSettings",
    "deliver_test",
    "entries_for",
    "entries_for_erased",
]
