"""Reads the body of a request within a limit, unpacked where it is packed."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

import orjson
from fastapi import Request

from customer_profiles.web.refusals import Refused

READ_SECONDS = 30.0
"""A sender that is slower than this keeps a place from others."""
_GZIP = 16 + zlib.MAX_WBITS


async def json_object(request: Request, largest: int) -> dict[str, Any]:
    """The body, which is one JSON object.

    Args:
        request: The request.
        largest: Bytes of the body, unpacked.

    Raises:
        Refused: it is larger, comes too slowly, cannot be unpacked, or is no JSON object.
    """
    content = await _bytes(request, largest)
    packing = request.headers.get("content-encoding", "identity").strip().lower()
    if packing == "gzip":
        content = unpacked(content, largest)
    elif packing not in ("", "identity"):
        raise Refused(415, "unknown_encoding", "The Content-Encoding is not known: use gzip, or none.")
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise Refused(400, "invalid_json", "The body is not JSON in UTF-8.") from None
    if not isinstance(body, dict):
        raise Refused(400, "invalid_json", "The body is not a JSON object.")
    return body


def unpacked(packed: bytes, largest: int) -> bytes:
    """What gzip packed, provided that it is not larger than allowed.

    Raises:
        Refused: it is larger, or was cut or damaged.
    """
    gzip = zlib.decompressobj(_GZIP)
    try:
        content = gzip.decompress(packed, largest + 1)
    except zlib.error:
        raise Refused(400, "invalid_gzip", "The body is not what gzip packs.") from None
    if len(content) > largest:
        raise _too_large(largest)
    if not gzip.eof:
        raise Refused(400, "invalid_gzip", "The body, packed by gzip, was cut.")
    return content


async def _bytes(request: Request, largest: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > largest:
        raise _too_large(largest)
    content = bytearray()
    try:
        async with asyncio.timeout(READ_SECONDS):
            async for chunk in request.stream():
                content += chunk
                if len(content) > largest:
                    raise _too_large(largest)
    except TimeoutError:
        raise Refused(408, "too_slow", f"The body did not come within {READ_SECONDS:.0f} seconds.") from None
    return bytes(content)


def _too_large(largest: int) -> Refused:
    return Refused(
        413,
        "request_too_large",
        f"The request has more than {largest:,} bytes, unpacked: send less at once, or raise collector.largest_request.",
    )
