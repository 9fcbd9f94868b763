"""Messages that callers left at mailboxes."""

from __future__ import annotations

import time
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import FileResponse, Response

from gateway.api.bodies import Body
from gateway.api.models import RemovedVoicemail, VoicemailInfo, VoicemailList
from gateway.api.openapi import problems
from gateway.api.peers import from_other
from gateway.app import Gateway
from gateway.call_record import timed
from gateway.delivery.voicemails import shown

log = structlog.get_logger("gateway.api")

LOOKED_AT = 500
"""Messages that are looked through for one page."""


class Heard(Body):
    heard: bool = True


def router(gateway: Gateway) -> APIRouter:
    api = APIRouter(prefix="/v1/voicemails", tags=["voicemail"])
    kept = gateway.store.voicemails

    async def known(message_id: str) -> dict[str, Any]:
        message = await kept.get(message_id)
        if message is None:
            raise HTTPException(404, f"there is no message {message_id}")
        return message

    @api.get("", response_model=VoicemailList, responses=problems(422, 503))
    async def list_voicemails(
        box: str = "",
        heard: bool | None = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: Annotated[float | None, Query(ge=0, le=1e11)] = None,
    ) -> Response:
        """The latest first; `next` is the cursor of those that follow."""
        found, before, following = list[VoicemailInfo](), cursor or time.time() + 60, None
        rows = await kept.latest(before, LOOKED_AT)
        for at, message in rows:
            if len(found) == limit:
                break
            following = at
            if message and box in ("", message["box"]) and heard in (None, message["heard"]):
                found.append(_told(message))
        more = following is not None and (len(found) == limit or len(rows) == LOOKED_AT)
        return VoicemailList(data=found, next=repr(following) if more else "").respond()

    @api.get("/{message_id}", response_model=VoicemailInfo, responses=problems(404, 503))
    async def get_voicemail(message_id: str) -> Response:
        """Who left it, when, for which mailbox, and its words where they were written down."""
        return _told(await known(message_id)).respond()

    @api.get(
        "/{message_id}/audio",
        response_class=Response,
        responses={
            200: {
                "content": {"audio/wav": {"schema": {"type": "string", "format": "binary"}}},
                "description": "One channel: the caller.",
            },
            206: {"description": "The part that Range asked for."},
            **problems(404, 503, 504),
        },
    )
    async def get_voicemail_audio(request: Request, message_id: str) -> Response:
        """The message as WAV, from whichever node has it."""
        message = await known(message_id)
        if path := gateway.voicemail.path_of(message):
            return FileResponse(path, media_type="audio/wav", filename=path.name, content_disposition_type="inline")
        return await from_other(gateway, request, message["node"], "the message")

    @api.post("/{message_id}/heard", response_model=VoicemailInfo, responses=problems(404, 503))
    async def mark_voicemail(message_id: str, body: Heard | None = None) -> Response:
        """Somebody has listened to it, or nobody has."""
        message = await known(message_id) | {"heard": body.heard if body else True}
        await kept.put(message)
        return _told(message).respond()

    @api.delete("/{message_id}", response_model=RemovedVoicemail, responses=problems(404, 503))
    async def remove_voicemail(request: Request, message_id: str) -> Response:
        """It and its sound; nodes that are away keep the sound until `recordings.keep_days`."""
        message = await known(message_id)
        await kept.remove(message_id)
        await gateway.control.ask_all_nodes("drop_voicemail", {"file": message["file"]})
        log.info("api.voicemail_removed", message=message_id, who=request.state.principal.name)
        return RemovedVoicemail(id=message_id).respond()

    return api


def _told(message: dict[str, Any]) -> VoicemailInfo:
    return VoicemailInfo(**timed(shown(message)))
