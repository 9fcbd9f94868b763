"""What is told to others: webhooks, and the records of calls. This is the package's public interface."""

from gateway.delivery.courier import Courier, Receiver
from gateway.delivery.jsonl import RecordFile
from gateway.delivery.webhooks import (
    WebhookReceiver,
    WebhookSettings,
    deliver_test,
    entries_for,
    entries_for_erased,
)

__all__ = [
    "Courier",
    "Receiver",
    "RecordFile",
    "WebhookReceiver",
    "WebhookSettings",
    "deliver_test",
    "entries_for",
    "entries_for_erased",
]
