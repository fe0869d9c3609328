"""How a file that was read is known again: by size, time of change and hashes of its content."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any, BinaryIO

BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class FileMark:
    """How far a file was read, and what it was then.

    Attributes:
        size: Bytes, when last looked at.
        changed: Its time of change, nanoseconds, when last looked at.
        offset: Bytes read.
        line: Lines (elements, rows) read.
        blocks: Hash over the whole blocks before `offset`: each block's hash takes in the one before.
        rest: Hash of the bytes between the last whole block and `offset`.
        again: Whether it is being read again, because the settings of the feed changed.
        done: Whether it is read to its end.
    """

    size: int
    changed: int
    offset: int = 0
    line: int = 0
    blocks: str = ""
    rest: str = ""
    again: bool = False
    done: bool = False

    def as_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


def same_start(file: BinaryIO, mark: FileMark) -> bool:
    """Whether what was read of a file is there still, byte by byte."""
    return content_hashes(file, mark.offset) == (mark.blocks, mark.rest)


def content_hashes(file: BinaryIO, offset: int, known: FileMark | None = None) -> tuple[str, str]:
    """The hashes of a file's first `offset` bytes, going on from a mark of the same file."""
    chain, start = (known.blocks, known.offset // BLOCK) if known else ("", 0)
    file.seek(start * BLOCK)
    for _ in range(start, offset // BLOCK):
        chain = blake2b(chain.encode() + file.read(BLOCK), digest_size=16).hexdigest()
    rest = blake2b(file.read(offset % BLOCK), digest_size=16).hexdigest() if offset % BLOCK else ""
    return chain, rest
