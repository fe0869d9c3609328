"""Customer IDs as the world outside sees them: a keyed hash of the founding claim's name. The key is never rotated."""

from __future__ import annotations

import hashlib
from uuid import UUID

CUSTOMER_ID_KEY = "customer_id"
"""The name of the key that makes customer IDs, for the key provider."""


def customer_id(key: bytes, source: str, source_key: str, incarnation: int) -> UUID:
    """The ID of the customer that a claim founds: UUIDv8 (RFC 9562) from a keyed BLAKE2b of the claim's name.

    Args:
        key: 32 secret bytes.
        source: The source of the founding record.
        source_key: Its key in that source.
        incarnation: Which of its lives, from 1.
    """
    name = b"".join(
        len(part).to_bytes(4, "big") + part
        for part in (source.encode(), source_key.encode(), str(incarnation).encode())
    )
    digest = hashlib.blake2b(name, digest_size=16, key=key, person=b"customer id").digest()
    value = int.from_bytes(digest, "big")
    value = value & ~(0xF << 76) | 0x8 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)
