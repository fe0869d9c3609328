"""Names as numbers of words: what a model says of a word it says wherever that stands, so it stands once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from customer_profiles.identity.edges.folding.derived import Exceptions
from customer_profiles.identity.edges.folding.exact import exact
from customer_profiles.identity.edges.folding.lists import Lists, Taken, first_places, lengths, offsets_of
from customer_profiles.identity.edges.index_parts import Numbers

NAME, WORDS, PRICED = "name", "name_words", "name_tokens"


@dataclass(frozen=True)
class Words:
    """The words of names.

    Attributes:
        lists: Where those of each row are.
        codes: Their numbers: those of a row rise, as the alphabet does.
        kinds: The types of the columns.
        values: By number a word, and what the model says of it.
        order: The words of a row as its name tells them: for each its place among those of the row.
        names: What names say that is not the words in that order.
    """

    lists: Lists
    codes: NDArray[np.unsignedinteger]
    kinds: dict[str, pa.DataType]
    values: dict[str, pa.Array]
    order: NDArray[np.uint8]
    names: Exceptions

    @classmethod
    def of(cls, table: pa.Table) -> Words:
        """Those of a table with the three columns."""
        told, words, priced = (table[name].combine_chunks() for name in (NAME, WORDS, PRICED))
        lists, tokens = Lists.of(words), words.flatten()
        coded = tokens.dictionary_encode()
        by_alphabet = pc.array_sort_indices(coded.dictionary)
        different = coded.dictionary.take(by_alphabet)
        codes = np.argsort(by_alphabet.to_numpy())[coded.indices.to_numpy()]
        first = first_places(coded.indices.to_numpy())[by_alphabet.to_numpy()]
        values = {WORDS: exact(different), PRICED: exact(priced.flatten().take(pa.array(first)))}
        order = _told_order(told, lists, codes, different)
        folded = cls(
            lists,
            codes.astype(np.min_scalar_type(len(different))),
            {WORDS: words.type, PRICED: priced.type},
            values,
            order,
            Exceptions(np.zeros(0, dtype=np.int64), told.slice(0, 0)),
        )
        made = folded._names(lists.taken(np.arange(len(told))))
        return replace(folded, names=Exceptions.of(told, made))

    def taken(self, places: Numbers, wanted: Collection[str]) -> dict[str, pa.Array]:
        """What the wanted columns say in these places."""
        taken = self.lists.taken(places)
        found = {}
        if {WORDS, PRICED}.intersection(wanted):
            codes = pa.array(self.codes[taken.within])
            for name, values in self.values.items():
                if name in wanted:
                    found[name] = taken.column(values.take(codes), self.kinds[name])
        if NAME in wanted:
            found[NAME] = self.names.among(places).put_into(self._names(taken))
        return found

    def _names(self, taken: Taken) -> pa.StringArray:
        """The words as names tell them; missing where there is none."""
        start, size = taken.offsets[:-1], np.diff(taken.offsets)
        ordered = self.codes[taken.within][np.repeat(start, size) + self.order[taken.within]]
        words = pa.ListArray.from_arrays(
            taken.offsets, self.values[WORDS].take(pa.array(ordered)), mask=pa.array(size == 0)
        )
        return pc.binary_join(words, " ")


def _told_order(
    names: pa.StringArray, lists: Lists, codes: Numbers, different: pa.StringArray
) -> NDArray[np.uint8]:
    """For each word of a row, in the order of its name, its place among those of the row; 0 where the name has other words."""
    offsets = lists.stretches.offsets[: len(names) + 1]
    size = np.diff(offsets)
    tokens = pc.split_pattern(names, " ")
    same = lengths(tokens) == size
    compared = np.flatnonzero(same)
    row = np.repeat(compared, size[compared])
    told = _index_in(tokens.take(pa.array(compared)).flatten(), different)
    sorted_by_row = np.lexsort((told, row))
    within = np.arange(len(row)) - np.repeat(offsets_of(size[compared])[:-1], size[compared])
    place = np.zeros(len(row), dtype=np.uint8)
    place[sorted_by_row] = within
    order = np.zeros(len(codes), dtype=np.uint8)
    order[np.repeat(offsets[compared], size[compared]) + within] = place
    return order


def _index_in(values: pa.Array, among: pa.Array) -> Numbers:
    found: Numbers = pc.index_in(values, among).fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return found
