"""Cuts an open file into lines, CSV rows or the elements of a JSON array, a bounded piece at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

LONGEST_LINE = 1 << 20
"""Bytes of one line or element; a longer one is not parsed."""
KEPT_OF_LONG = 1 << 16
"""Bytes kept of one that is too long."""
_READ = 1 << 20
_MOST_LINES = 1000
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],]', re.DOTALL)


@dataclass(slots=True)
class Piece:
    """A line, row or element.

    Attributes:
        content: Its bytes, without the end of line.
        line: Where it starts: the number of its line or element, from 1.
        end: The offset of what follows.
        next_line: The number of what follows.
        too_long: Whether it was cut because it is too long.
        ended: Whether its end was seen; the last line of a growing file may still be being written.
    """

    content: bytes
    line: int
    end: int
    next_line: int
    too_long: bool = False
    ended: bool = True


def lines(file: BinaryIO, offset: int, line: int) -> Iterator[Piece]:
    """The lines of a file from an offset on.

    Args:
        file: Open for reading bytes.
        offset: Where a line starts.
        line: How many lines there are before it.
    """
    file.seek(offset)
    while True:
        content = file.readline(LONGEST_LINE + 1)
        if not content:
            return
        line += 1
        length, ended = len(content), content.endswith(b"\n")
        too_long = not ended and length > LONGEST_LINE
        if too_long:
            content = content[:KEPT_OF_LONG]
            while not ended and (more := file.readline(_READ)):
                length += len(more)
                ended = more.endswith(b"\n")
        offset += length
        yield Piece(content.rstrip(b"\r\n"), line, offset, line + 1, too_long, ended)


def csv_rows(
    file: BinaryIO, offset: int, line: int, fits: Callable[[bytes], bool] | None = None
) -> Iterator[Piece]:
    """The rows of a CSV file from an offset on; a row goes on over its quoted ends of line.

    A row of several lines that does not fit, or whose quotes do not end within :data:`LONGEST_LINE` bytes, is its first
    line alone: a stray quote must not swallow the rows that follow it.

    Args:
        file: Open for reading bytes.
        offset: Where a row starts.
        line: How many lines there are before it.
        fits: Whether these bytes are a row of this file.
    """
    while True:
        first: Piece | None = None
        joined: list[bytes] = []
        size = 0
        for piece in lines(file, offset, line):
            first = first or piece
            joined.append(piece.content)
            size += len(piece.content)
            whole = b"\n".join(joined) if len(joined) > 1 else piece.content
            if piece.too_long or whole.count(b'"') % 2 == 0:
                found = Piece(whole, first.line, piece.end, piece.next_line, piece.too_long, piece.ended)
                if len(joined) > 1 and fits is not None and (piece.too_long or not fits(whole)):
                    found = first
                break
            if size > LONGEST_LINE or len(joined) > _MOST_LINES:
                found = first
                break
        else:
            if first is None:
                return
            found = first
            found.ended = False
        yield found
        offset, line = found.end, found.next_line - 1


def elements(file: BinaryIO, offset: int, count: int) -> Iterator[Piece]:
    """The elements of a JSON array from an offset on, without reading the whole file.

    Args:
        file: Open for reading bytes; its content is one array, or one object (then the only element).
        offset: 0, or just after an element.
        count: How many elements there are before it.

    Yields:
        Each element. One that the file ends in the middle of has `ended` false.
    """
    file.seek(offset)
    buffer = file.read(_READ)
    place = 0
    if offset == 0:
        start = len(buffer) - len(buffer.lstrip(b"\xef\xbb\xbf \t\r\n"))
        place = start + 1 if buffer[start : start + 1] == b"[" else start
    while True:
        while True:
            rest = buffer[place:].lstrip(b" \t\r\n,")
            place = len(buffer) - len(rest)
            if rest or not (more := file.read(_READ)):
                break
            offset, buffer, place = offset + place, buffer[place:] + more, 0
        if not rest or rest[:1] == b"]":
            return
        end, buffer, ended = _end_of_element(file, buffer, place)
        count += 1
        content = buffer[place:end]
        too_long = len(content) > LONGEST_LINE
        yield Piece(
            content[:KEPT_OF_LONG] if too_long else content, count, offset + end, count + 1, too_long, ended
        )
        offset, buffer, place = offset + end, buffer[end:], 0
        if not ended:
            return


def _end_of_element(file: BinaryIO, buffer: bytes, start: int) -> tuple[int, bytes, bool]:
    """Where the element that starts at `start` ends, the buffer grown as far as needed, and whether it ends at all."""
    depth, place = 0, start
    while True:
        for token in _TOKEN.finditer(buffer, place):
            mark = buffer[token.start() : token.start() + 1]
            if mark in b"{[":
                depth += 1
            elif mark in b"}]":
                depth -= 1
                if depth == 0:
                    return token.end(), buffer, True
                if depth < 0:
                    return token.start(), buffer, True
            elif mark == b"," and depth == 0:
                return token.start(), buffer, True
            place = token.end()
        more = file.read(max(_READ, len(buffer) - start))
        if not more:
            return len(buffer), buffer, False
        buffer += more
