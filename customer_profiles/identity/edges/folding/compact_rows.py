"""Index rows as they stay in memory: a quarter of what a table takes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from customer_profiles.identity.edges.folding.derived import Exceptions, Rule, every_list, names_in
from customer_profiles.identity.edges.folding.exact import exact_table
from customer_profiles.identity.edges.folding.often import Often
from customer_profiles.identity.edges.folding.texts import TextLists
from customer_profiles.identity.edges.folding.words import NAME, PRICED, WORDS, Words
from customer_profiles.identity.edges.index_parts import Numbers

_RULES = (
    Rule("live_emails", "emails", every_list),
    Rule("live_phones", "phones", every_list),
    Rule("live_email_names", "live_emails", names_in),
)
"""Columns that mostly say what can be made of another one, each behind the one that it is made of."""
_NAMES = {NAME, WORDS, PRICED}
_TEXTS = pa.list_(pa.string())


class CompactRows:
    """What contents say.

    A value that many rows have is a number, and so is each word of a name: what the model says of it (bits, aliases) stands
    once, for it says the same of a word wherever that stands. What follows from another column does not stand at all.
    """

    def __init__(self, table: pa.Table) -> None:
        """Fold them.

        Args:
            table: Index rows, with the columns `content_no` and `gone`.
        """
        self.schema: pa.Schema = table.schema
        self.exceptions = {
            rule.name: Exceptions.of(
                table[rule.name].combine_chunks(),
                rule.make(table[rule.source].combine_chunks()).cast(table.schema.field(rule.name).type),
            )
            for rule in _rules_of(table.schema)
        }
        plain = table.drop_columns([*self.exceptions])
        self._words = Words.of(plain) if {*plain.schema.names} >= _NAMES else None
        if self._words is not None:
            self.exceptions[NAME] = self._words.names
            plain = plain.drop_columns(sorted(_NAMES))
        self._often = [Often.of(plain, kind) for kind in (pa.string(), pa.float64())]
        self._texts = {
            field.name: texts
            for field in plain.schema
            if field.type == _TEXTS and (texts := TextLists.of(plain[field.name].combine_chunks()))
        }
        often = (name for each in self._often for name in each.names)
        self._plain = exact_table(plain.drop_columns([*often, *self._texts]))
        self.numbers: Numbers = self._plain["content_no"].to_numpy()
        self.gone: NDArray[np.bool_] = self._plain["gone"].to_numpy()

    def taken(self, places: Numbers, wanted: Collection[str]) -> dict[str, pa.Array]:
        """What wanted columns that no rule makes say in these places."""
        own = [name for name in self._plain.schema.names if name in wanted]
        rows = self._plain.select(own).take(pa.array(places))
        found = {name: rows[name].combine_chunks() for name in own}
        for often in self._often:
            found |= often.taken(places, wanted)
        if self._words is not None:
            found |= self._words.taken(places, wanted)
        return found | {name: texts.taken(places) for name, texts in self._texts.items() if name in wanted}


def unfolded(pieces: Sequence[tuple[CompactRows, Numbers]], columns: Sequence[str] | None = None) -> pa.Table:
    """Rows as they were written.

    Args:
        pieces: Folded rows of one schema, and the places of those that are asked for.
        columns: What is asked for; None for everything.
    """
    schema = pieces[0][0].schema
    names = schema.names if columns is None else columns
    wanted = {*names}
    rules: list[Rule] = []
    for rule in reversed(_rules_of(schema)):
        if rule.name in wanted:
            wanted.add(rule.source)
            rules.insert(0, rule)
    each = [rows.taken(places, wanted) for rows, places in pieces]
    found = {name: pa.concat_arrays([one[name] for one in each]) for name in each[0]}
    for rule in rules:
        made = rule.make(found[rule.source]).cast(schema.field(rule.name).type)
        differing = [rows.exceptions[rule.name].among(places) for rows, places in pieces]
        found[rule.name] = Exceptions.joined(differing, [len(places) for _, places in pieces]).put_into(made)
    return pa.table([found[name] for name in names], names=list(names))


def _rules_of(schema: pa.Schema) -> list[Rule]:
    return [rule for rule in _RULES if {rule.name, rule.source} <= {*schema.names}]
