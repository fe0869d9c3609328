"""The collector: takes the Segment HTTP tracking API as its clients speak it."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response

from customer_profiles.encryption.aead import Aead
from customer_profiles.encryption.errors import SealBroken
from customer_profiles.encryption.keys import KeyProvider
from customer_profiles.pipeline.arrival import in_profiles
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State
from customer_profiles.web.bodies import json_object
from customer_profiles.web.group_commit import GroupCommit
from customer_profiles.web.metrics import CollectorMetrics
from customer_profiles.web.refusals import Refused, answer
from customer_profiles.web.segment import BATCH, KINDS, events_of
from customer_profiles.web.write_keys import source_of

POSITION_KEY = "position"
"""The name of the key that seals position tokens."""
_FROM_BROWSERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "authorization, *",
    "Access-Control-Max-Age": "86400",
}
"""Any page may send events, as with every write key for browsers; none is sent along with cookies."""


def collector_routes(
    state: State,
    settings: Settings,
    keys: KeyProvider,
    write_keys: Mapping[str, str],
    inbox: GroupCommit,
    metrics: CollectorMetrics,
) -> APIRouter:
    """The routes of the collector.

    Args:
        state: The open state.
        settings: All settings.
        keys: Give the key that seals position tokens.
        write_keys: Each write key and its source.
        inbox: Where accepted events go.
        metrics: Where they are counted.
    """
    router = APIRouter()
    aead = Aead(keys.key(POSITION_KEY))
    limits = settings.collector

    def taking(kind: str) -> Callable[[Request], Awaitable[Response]]:
        async def take(request: Request) -> Response:
            with inbox.place():
                body = await json_object(request, limits.largest_request)
                source = source_of(write_keys, request.headers.get("authorization"), body.get("writeKey"))
                received_at = datetime.fromtimestamp(time.time(), UTC)
                events = events_of(body, kind, source, received_at, limits.largest_event)
                result = await inbox.accept(events)
            metrics.accepted(result)
            position = _token(aead, source, result.inbox_no)
            told = {"accepted": result.accepted, "duplicate": result.duplicate, "position": position}
            return _to_browsers(answer({"success": True, **told}))

        return take

    # analytics.js names a call by its first letter.
    for kind in (*KINDS, BATCH):
        for name in (kind, kind[0]):
            router.add_api_route(f"/v1/{name}", taking(kind), methods=["POST"])

    @router.post("/v1/{path:path}")
    async def unknown(path: str) -> Response:
        calls = ", ".join(f"/v1/{kind}" for kind in (BATCH, *KINDS))
        raise Refused(404, "unknown_path", f"There is no such call. Send events to one of {calls}.")

    @router.options("/v1/{path:path}")
    async def preflight(path: str) -> Response:
        return _to_browsers(Response(status_code=204))

    @router.get("/v1/positions/{token}")
    def position(token: str) -> Response:
        source, inbox_no = _opened(aead, token)
        there = source in settings.sources and in_profiles(state, settings, source, inbox_no)
        return _to_browsers(answer({"in_profiles": there}))

    @router.get("/health")
    async def health() -> Response:
        told = {"status": "failing" if inbox.failing else "ok", "backlog": inbox.backlog}
        return answer(told, 503 if inbox.failing else 200)

    return router


def _to_browsers(response: Response) -> Response:
    response.headers.update(_FROM_BROWSERS)
    return response


def _token(aead: Aead, source: str, inbox_no: int) -> str:
    sealed = aead.seal(f"{source}:{inbox_no}".encode(), POSITION_KEY)
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _opened(aead: Aead, token: str) -> tuple[str, int]:
    try:
        sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        source, _, inbox_no = aead.open(sealed, POSITION_KEY).decode().rpartition(":")
    except (binascii.Error, ValueError, SealBroken):
        raise Refused(404, "unknown_position", "This is no position that was given here.") from None
    return source, int(inbox_no)
