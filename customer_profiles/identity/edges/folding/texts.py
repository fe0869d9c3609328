"""Lists of texts that begin or end alike: identifiers with their kind, addresses with their domain; and random IDs in hexadecimal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from customer_profiles.identity.edges.folding.exact import exact
from customer_profiles.identity.edges.folding.lists import Lists, Stretches, first_places
from customer_profiles.identity.edges.index_parts import Numbers

_TEXT, _HEX, _UUID = 0, 1, 2
_LETTERS = np.array(["\x1et", "\x1eh", "\x1eu"])
_FORMS = {_HEX: "^[0-9a-f]{32}$", _UUID: "^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}
_MOST = np.iinfo(np.uint16).max + 1
_DIGITS = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_VALUES = np.zeros(256, dtype=np.uint8)
_VALUES[_DIGITS] = np.arange(16)
"""By digit its value."""
_TWO_DIGITS = np.stack([np.repeat(_DIGITS, 16), np.tile(_DIGITS, 16)], axis=1)
"""By byte its two digits."""
_DASHES = np.isin(np.arange(36), (8, 13, 18, 23))


@dataclass(frozen=True)
class TextLists:
    """A column of lists of texts.

    Attributes:
        kind: Its type.
        lists: Where those of each row are.
        codes: For each text the number of its surroundings.
        heads: By number what texts begin with.
        tails: By number what they end with.
        forms: By number whether what stands between is a text, or sixteen bytes that were told in hexadecimal.
        bodies: For each text what stands between.
    """

    kind: pa.DataType
    lists: Lists
    codes: NDArray[np.uint16]
    heads: pa.StringArray
    tails: pa.StringArray
    forms: NDArray[np.uint8]
    bodies: Bodies

    @classmethod
    def of(cls, column: pa.ListArray) -> TextLists | None:
        """Those of a column; None where its texts cannot be told so."""
        texts = column.flatten()
        if texts.null_count:
            return None
        kinds, told, has_kind = _cut(texts, "\x1f")
        told, domains, has_domain = _cut(told, "@")
        heads = pc.if_else(has_kind, pc.binary_join_element_wise(kinds, "", "\x1f"), "")
        tails = pc.if_else(has_domain, pc.binary_join_element_wise("", domains, "@"), "")
        forms, bodies = _packed(told)
        around = pc.binary_join_element_wise(heads, tails, pa.array(_LETTERS[forms]), "").dictionary_encode()
        if len(around.dictionary) > _MOST:
            return None
        codes = around.indices.to_numpy()
        first = first_places(codes)
        heads, tails = (exact(each.take(pa.array(first))) for each in (heads, tails))
        return cls(
            column.type,
            Lists.of(column),
            codes.astype(np.uint16),
            heads,
            tails,
            forms[first],
            Bodies.of(bodies),
        )

    def taken(self, places: Numbers) -> pa.ListArray:
        """Those of the rows in these places."""
        taken = self.lists.taken(places)
        codes = self.codes[taken.within]
        bodies = _unpacked(self.bodies.taken(taken.within), self.forms[codes])
        heads, tails = (each.take(pa.array(codes)) for each in (self.heads, self.tails))
        return taken.column(pc.binary_join_element_wise(heads, bodies, tails, ""), self.kind)


@dataclass(frozen=True)
class Bodies:
    """Values of bytes, one behind the other.

    Attributes:
        stretches: For each value where its bytes are.
        all: Those of all.
    """

    stretches: Stretches
    all: NDArray[np.uint8]

    @classmethod
    def of(cls, values: pa.BinaryArray) -> Bodies:
        """Those of a column without missing values."""
        size = pc.binary_length(values).to_numpy()
        whole = pc.binary_join(pa.ListArray.from_arrays([0, len(values)], values), b"")
        return cls(Stretches.of(size), np.frombuffer(whole[0].as_py(), dtype=np.uint8))

    def taken(self, places: Numbers) -> pa.BinaryArray:
        """Those in these places."""
        offsets, within = self.stretches.taken(places)
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(self.all[within])]
        return pa.Array.from_buffers(pa.binary(), len(places), buffers)


def _cut(texts: pa.StringArray, at: str) -> tuple[pa.StringArray, pa.StringArray, pa.BooleanArray]:
    """What stands before something, what behind, and whether it is there at all; where not, the whole is both."""
    pieces = pc.split_pattern(texts, at, max_splits=1)
    values, offsets = pieces.flatten(), pieces.offsets.to_numpy()
    before, behind = values.take(pa.array(offsets[:-1])), values.take(pa.array(offsets[1:] - 1))
    return before, behind, pa.array(np.diff(offsets) > 1)


def _packed(texts: pa.StringArray) -> tuple[NDArray[np.uint8], pa.BinaryArray]:
    """The form of each text, and the text or its sixteen bytes."""
    forms = np.full(len(texts), _TEXT, dtype=np.uint8)
    for form, pattern in _FORMS.items():
        forms[pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)] = form
    told = np.flatnonzero(forms != _TEXT)
    digits = pc.replace_substring(texts.take(pa.array(told)), "-", "")
    value = _VALUES[_bytes_of(digits, 32)]
    numbers = (value[:, 0::2] << 4 | value[:, 1::2]).astype(np.uint8)
    pieces = [texts.filter(pa.array(forms == _TEXT)).cast(pa.binary()), _as_texts(numbers, pa.binary())]
    return forms, _in_turn(pieces, [np.flatnonzero(forms == _TEXT), told])


def _unpacked(bodies: pa.BinaryArray, forms: NDArray[np.uint8]) -> pa.StringArray:
    """The texts that `_packed` was given."""
    if not forms.any():
        return bodies.cast(pa.string())
    places = [np.flatnonzero(forms == form) for form in (_TEXT, _HEX, _UUID)]
    text, hexes, uuids = (bodies.take(pa.array(each)) for each in places)
    with_dashes = np.full((len(uuids), len(_DASHES)), ord("-"), dtype=np.uint8)
    with_dashes[:, ~_DASHES] = _digits_of(uuids)
    pieces = [
        text.cast(pa.string()),
        _as_texts(_digits_of(hexes), pa.string()),
        _as_texts(with_dashes, pa.string()),
    ]
    return _in_turn(pieces, places)


def _digits_of(numbers: pa.BinaryArray) -> NDArray[np.uint8]:
    return _TWO_DIGITS[_bytes_of(numbers, 16)].reshape(len(numbers), 32)


def _bytes_of(values: pa.Array, size: int) -> NDArray[np.uint8]:
    """Values of one size, as rows of bytes."""
    if not len(values):
        return np.zeros((0, size), dtype=np.uint8)
    return np.frombuffer(values.buffers()[2], dtype=np.uint8, count=len(values) * size).reshape(-1, size)


def _as_texts(rows: NDArray[np.uint8], kind: pa.DataType) -> pa.Array:
    """Rows of bytes as values of one size."""
    offsets = np.arange(len(rows) + 1, dtype=np.int32) * np.int32(rows.shape[1])
    bytes_of = np.ascontiguousarray(rows)
    return pa.Array.from_buffers(kind, len(rows), [None, pa.py_buffer(offsets), pa.py_buffer(bytes_of)])


def _in_turn(pieces: list[pa.Array], places: list[Numbers]) -> pa.Array:
    """Pieces as one, with each value in its place."""
    order = np.argsort(np.concatenate(places))
    return pa.concat_arrays(pieces).take(pa.array(order))
