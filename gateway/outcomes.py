"""How calls end: every outcome with what it means. Records, webhooks, metrics, the API and docs/events.md."""

from __future__ import annotations

import enum


class _Word(enum.StrEnum):
    """A name with its meaning."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> _Word:
        member = str.__new__(cls, value)
        member._value_, member.meaning = value, meaning
        return member


class Outcome(_Word):
    """Of a call that has ended."""

    # a call that was answered
    CALLER_HUNG_UP = "caller_hung_up", "the other party hung up"
    AGENT_HUNG_UP = "agent_hung_up", "the agent ended the call with its tool `hang_up`"
    HUNG_UP_BY_REQUEST = "hung_up_by_request", "somebody ended it by the API"
    TRANSFERRED = "transferred", "the caller was handed on, or has talked with somebody else through here to the end"
    MENU_HUNG_UP = "menu_hung_up", "a menu or a route led to `hangup`"
    CONSENT_REFUSED = "consent_refused", "the caller did not agree to be recorded (`recording.consent` of the agent)"
    VOICEMAIL = "voicemail", "a mailbox took what the caller had to say"
    MAX_DURATION = "max_duration", "it lasted as long as the agent's `max_seconds`"
    NO_INPUT = "no_input", "the caller said or pressed nothing, though asked (by an agent's `no_input`, or a menu)"

    # a call that we made, and nobody answered
    BUSY = "busy", "the called party is busy"
    NO_ANSWER = "no_answer", "nobody picked up within `ring_seconds`, or the network says so"
    INVALID_NUMBER = "invalid_number", "there is no such number"
    REJECTED = "rejected", "the called party, its network, or the application that was asked refused the call"
    CANCELLED = "cancelled", "the caller gave up before the answer (487), or a call of ours was hung up before it"
    UNREACHABLE = "unreachable", "the host is not known, or does not respond"
    FAILED = "failed", "refused for another reason; the event `ended` has status and problem"

    # a line that broke
    MEDIA_TIMEOUT = "media_timeout", "no RTP came for `media.timeout_seconds`"
    MEDIA_FAILED = "media_failed", "audio could not be handled; the log has the error"
    TRANSPORT = "transport", "a request within the call had no response"
    NO_ACK = "no_ack", "our 200 was never acknowledged"
    NO_PRACK = "no_prack", "the caller asked for reliable responses, and sent no PRACK (504)"
    SESSION_EXPIRED = "session_expired", "the session timer was not refreshed (RFC 4028)"

    # a provider that failed
    PROVIDER_UNREACHABLE = "provider_unreachable", "no connection, or no session within `connect_seconds`"
    PROVIDER_REFUSED = "provider_refused", "the provider refuses the key, the model or a setting"
    PROVIDER_FAILED = "provider_failed", "the provider failed in another way"
    PROVIDER_LOST = "provider_lost", "the session broke in mid-call, and no provider gave another"

    # a call that was not taken
    MISCONFIGURED = "misconfigured", "a file or an environment variable is wrong; the log has which"
    BAD_SIGNALLING = "bad_signalling", "SIP that cannot be read"
    BAD_SESSION_DESCRIPTION = "bad_session_description", "SDP that cannot be read"
    REFUSED = "refused", "refused by the gateway, for a reason that the record's problem gives"
    NO_ROUTE = "no_route", "no route fits the number that was called; the problem names each"
    NO_COMMON_CODEC = "no_common_codec", "nothing in the offer is spoken here"
    NO_MEDIA_PORT = "no_media_port", "every RTP port is in use"
    NO_FILE_DESCRIPTOR = (
        "no_file_descriptor",
        ("the process may open no more sockets (`LimitNOFILE=`); a call takes three, connections 2,500"),
    )
    MEDIA_ADDRESS_REFUSED = (
        "media_address_refused",
        ("SDP with an address that no media can or may go to; the problem says which"),
    )
    AGENT_BUSY = "agent_busy", "the agent's `max_calls`"
    NO_SUCH_AGENT = "no_such_agent", "a route or a command names an agent that there is none of"
    NO_SUCH_TRUNK = "no_such_trunk", "a call names a trunk that there is none of"
    NOT_LOGGED_IN = "not_logged_in", "the user who is called has no telephone registered"
    TRUNK_BUSY = "trunk_busy", "the trunk's `max_calls`"
    APPLICATION_SILENT = "application_silent", "the application was asked whether it takes the call, and did not say"
    DRAINING = "draining", "the node takes no new calls"
    INTERNAL_ERROR = "internal_error", "a fault of the gateway; the log has it"

    # errors that seldom end a call, and have a name all the same
    STORE_UNAVAILABLE = "store_unavailable", "Redis is away"
    NODE_SILENT = "node_silent", "another node did not answer"
    NO_SUCH_CALL = "no_such_call", "a command for a call that there is none of"
    WRONG_STATE = "wrong_state", "a command that the call cannot follow in its state"
    BAD_COMMAND = "bad_command", "a command that cannot be understood"
    TOOL_FAILED = "tool_failed", "a tool failed where its failure could not be told to the agent"

    # a node that ended
    NODE_STOPPED = "node_stopped", "its node was stopped, and had waited for `drain_seconds`"
    NODE_DIED = "node_died", "its node died; another node has closed the call's record"


class Refusal(_Word):
    """Why the SIP side refuses an INVITE before there is a call: there is no record of it."""

    NODE_BUSY = "node_busy", "`sip.max_calls`, or too many calls at once that are not answered yet"
    TRUNK_BUSY = "trunk_busy", "the trunk's `max_calls`"
    TRUNK_RATE = "trunk_rate", "the trunk's `calls_per_second`"
    UNKNOWN_RATE = "unknown_rate", "`sip.calls_per_second`, of callers who belong to no trunk"
    DRAINING = "draining", "the node takes no new calls"


RETRY_AFTER: dict[str, int] = {
    Refusal.NODE_BUSY: 5,
    Refusal.TRUNK_BUSY: 5,
    Refusal.TRUNK_RATE: 1,
    Refusal.UNKNOWN_RATE: 1,
    Outcome.AGENT_BUSY: 0,
    Refusal.DRAINING: 30,
    Outcome.NO_MEDIA_PORT: 10,
    Outcome.NO_FILE_DESCRIPTOR: 10,
    Outcome.PROVIDER_UNREACHABLE: 10,
    Outcome.PROVIDER_REFUSED: 0,
}
"""Seconds after which whoever was refused may come again (Retry-After); 0: no such header."""
