"""Columns that mostly say what can be made of another one: only where they do not is kept what they say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from customer_profiles.identity.edges.folding.exact import exact
from customer_profiles.identity.edges.folding.lists import alike, lengths, offsets_of
from customer_profiles.identity.edges.index_parts import Numbers


@dataclass(frozen=True)
class Rule:
    """How a column is made.

    Attributes:
        name: The column.
        source: The one that it is made of.
        make: What it says, of what that one says.
    """

    name: str
    source: str
    make: Callable[[pa.Array], pa.Array]


@dataclass(frozen=True)
class Exceptions:
    """Where a column says something else than what is made for it.

    Attributes:
        places: Where, rising.
        values: What it says there.
    """

    places: Numbers
    values: pa.Array

    @classmethod
    def of(cls, told: pa.Array, made: pa.Array) -> Exceptions:
        """Those of a column.

        Args:
            told: What it says.
            made: What is made for it.
        """
        places = np.flatnonzero(~alike(told, made))
        return cls(places, exact(told.take(pa.array(places))))

    def among(self, places: Numbers) -> Exceptions:
        """Those of the rows in these places, by their turn among them."""
        if not len(self.places):
            return self
        at = np.minimum(np.searchsorted(self.places, places), len(self.places) - 1)
        turns = np.flatnonzero(self.places[at] == places)
        return Exceptions(turns, self.values.take(pa.array(at[turns])))

    @classmethod
    def joined(cls, each: Sequence[Exceptions], sizes: Sequence[int]) -> Exceptions:
        """Those of pieces that follow one another, each with so many rows."""
        starts = np.cumsum([0, *sizes[:-1]])
        places = [one.places + start for one, start in zip(each, starts, strict=True)]
        return cls(np.concatenate(places), pa.concat_arrays([one.values for one in each]))

    def put_into(self, made: pa.Array) -> pa.Array:
        """What the column says, where this is made for it."""
        if not len(self.places):
            return made
        order = np.arange(len(made))
        order[self.places] = len(made) + np.arange(len(self.places))
        return pa.concat_arrays([made, self.values]).take(pa.array(order))


def every_list(lists: pa.ListArray) -> pa.ListArray:
    """The same lists, with an empty one where one is missing."""
    return pa.ListArray.from_arrays(offsets_of(lengths(lists)), lists.flatten())


def names_in(emails: pa.ListArray) -> pa.ListArray:
    """What addresses say before the @ or the first +, letters and digits alone, where that is long enough to tell something."""
    local = pc.replace_substring_regex(emails.flatten(), r"(?s)[@+].*", "")
    # The same for plain letters, in a tenth of the time: the classes of Unicode are long.
    plain = pc.all(pc.string_is_ascii(local)).as_py() is not False
    names = pc.replace_substring_regex(local, r"[^A-Za-z0-9]" if plain else r"[^\p{L}\p{N}]", "")
    told = pc.greater_equal(pc.utf8_length(names), 5)
    before = offsets_of(told.to_numpy(zero_copy_only=False).astype(np.int32))
    return pa.ListArray.from_arrays(before[offsets_of(lengths(emails))], names.filter(told))
