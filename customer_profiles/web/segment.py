"""The Segment HTTP tracking API: from the body of a request to the events in it. Pure.

After https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/ and the spec's common fields.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from customer_profiles.sources.inbox import Arrived
from customer_profiles.web.refusals import Refused

KINDS = ("track", "identify", "page", "screen", "group", "alias")
"""The calls of the spec; each is a path of its own, by its name or its first letter."""
BATCH = "batch"
TRUSTED_SKEW = timedelta(minutes=5)
"""A client's clock that is off by less is left alone: on the way to us time passes too."""
_SHARED = ("context", "integrations")


def events_of(
    body: dict[str, Any], kind: str, source: str, received_at: datetime, largest: int
) -> list[Arrived]:
    """The events of a request, with what the API fills in: type, message ID, time.

    An event of a batch that cannot be used is kept with its error, for a refusal would cost its neighbours.

    Args:
        body: As sent.
        kind: What the path says: one of `KINDS`, or `batch`.
        source: The source of its write key.
        received_at: Now.
        largest: Bytes of one event.

    Raises:
        Refused: there is no event, a single one is too large, or one is nested too deeply to be kept.
    """
    if kind != BATCH:
        (event,) = (_arrived({**body, "type": kind}, source, received_at, largest),)
        if event.error == "too_large":
            raise Refused(
                413,
                "event_too_large",
                f"The event has more than {largest:,} bytes: send less, or raise collector.largest_event.",
            )
        return [event]
    batch = body.get("batch")
    if not isinstance(batch, list) or not batch:
        raise Refused(400, "no_events", "The body has no `batch`, a list of at least one event.")
    return [_arrived(item, source, received_at, largest) for item in _filled(body, batch)]


def _filled(body: dict[str, Any], batch: list[Any]) -> Iterator[Any]:
    """The events of a batch, each with what the batch says of all."""
    shared = {name: body[name] for name in _SHARED if isinstance(body.get(name), dict)}
    for item in batch:
        if not isinstance(item, dict):
            yield item
            continue
        event = {"sentAt": body.get("sentAt"), **item}
        for name, value in shared.items():
            if isinstance(own := event.get(name, {}), dict):
                event[name] = {**value, **own}
        yield event


def _arrived(event: Any, source: str, received_at: datetime, largest: int) -> Arrived:
    if not isinstance(event, dict):
        return Arrived(source, str(uuid.uuid4()), _dumped(event), "unreadable_row")
    event.pop("writeKey", None)
    message_id = event.get("messageId")
    if message_id in (None, ""):
        message_id = event["messageId"] = f"api-{uuid.uuid4()}"
    elif not isinstance(message_id, str | int):
        message_id = uuid.uuid4()  # the event waits in the quarantine, whatever else comes
    event["receivedAt"] = _written(received_at)
    settle_time(event, received_at)
    body = _dumped(event)
    error = None
    if len(body) > largest:
        error = "too_large"
    elif event.get("type") not in KINDS:
        error = "not_allowed"
    return Arrived(source, str(message_id), body, error)


def settle_time(event: dict[str, Any], received_at: datetime) -> None:
    """Write into `timestamp` when an event happened by our clock, and keep what the client said beside it.

    A client that says when it sent the event shows how far its clock is off; where it says no time, the event is of now.
    """
    said = event.get("timestamp") or event.get("originalTimestamp")
    if said is None:
        event["timestamp"] = _written(received_at)
        return
    event["originalTimestamp"] = event["timestamp"] = said
    happened, sent = _read(said), _read(event.get("sentAt"))
    if happened is not None and sent is not None and abs(received_at - sent) > TRUSTED_SKEW:
        try:
            event["timestamp"] = _written(happened + (received_at - sent))
        except OverflowError:
            return  # a year beyond all calendars: cleaning says so


def _read(said: Any) -> datetime | None:
    """A time with its zone, or None where that cannot be told."""
    if not isinstance(said, str):
        return None
    try:
        read = datetime.fromisoformat(said)
    except ValueError:
        return None
    return None if read.tzinfo is None else read


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _dumped(event: Any) -> bytes:
    try:
        return orjson.dumps(event)
    except TypeError:
        raise Refused(
            400, "nested_too_deeply", "An event is nested too deeply to be kept: send it flatter."
        ) from None
