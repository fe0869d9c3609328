"""Records of which several feeds of one source each tell a part: each part has its own version, the record is their fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from customer_profiles.contracts import RECORD


@dataclass(frozen=True, slots=True)
class Part:
    """What one feed says of a record."""

    version: int
    content_hash: bytes | None
    deleted_at: int | None
    values: Mapping[str, Any]
    """The fields that are not empty."""

    def as_json(self) -> dict[str, Any]:
        """As plain JSON."""
        hashed = None if self.content_hash is None else self.content_hash.hex()
        return {
            "version": self.version,
            "hash": hashed,
            "deleted_at": self.deleted_at,
            "values": dict(self.values),
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Part:
        """A part that `as_json` wrote."""
        hashed = body["hash"]
        return cls(
            body["version"],
            None if hashed is None else bytes.fromhex(hashed),
            body["deleted_at"],
            body["values"],
        )


def fold_parts(parts: Mapping[str, Part], feeds: Sequence[str]) -> dict[str, Any]:
    """The fields of a record from its parts.

    The newest part that has a field gives it, of equals the one whose feed stands first in the settings; lists and
    mappings add up. The result depends on the parts alone, not on the order in which they came.
    """
    order = {feed: place for place, feed in enumerate(feeds)}
    living = [(name, part) for name, part in parts.items() if part.deleted_at is None]
    living.sort(key=lambda item: (-item[1].version, order.get(item[0], len(order))))
    folded: dict[str, Any] = dict.fromkeys(RECORD.names)
    for _, part in living:
        for name, value in part.values.items():
            folded[name] = value if folded[name] is None else _both(name, folded[name], value)
    return folded


def _both(name: str, newer: Any, older: Any) -> Any:
    if name == "created_at":
        return min(newer, older)
    if name == "external_ids":
        return {kind: sorted({*newer.get(kind, []), *older.get(kind, [])}) for kind in {*newer, *older}}
    if isinstance(newer, list):
        return newer + [item for item in older if item not in newer]
    return {**older, **newer} if isinstance(newer, dict) else newer
