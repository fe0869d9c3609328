"""A batch of changed records told in contents: which are new, which are gone, which have other copies; and who holds what."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import sqlalchemy as sa

from customer_profiles.identity.edges.index import Index
from customer_profiles.identity.edges.index_delta import Numbers, columns
from customer_profiles.identity.edges.index_parts import Entries
from customer_profiles.identity.tables import resolved_record
from customer_profiles.state.bulk import rows_by_key


class BatchContents:
    """Which record has which content before and after a batch, as far as that was asked for.

    Attributes:
        before: By changed record its content before; a new one is missing.
        now: By changed record its content now; a deleted one is missing.
        new: Contents that nobody held before, rising.
        gone: Contents that nobody holds any more, rising.
        copies: What it does to the copies in the index.
        kept: Contents that stay and have other copies than before, rising.
    """

    def __init__(
        self, connection: sa.Connection, index: Index, changed: Numbers, now: dict[int, int]
    ) -> None:
        """Compare.

        Args:
            connection: Reading the state store, in which the batch is not yet written.
            index: Of the graph.
            changed: The records written or deleted.
            now: By record that lives its content.
        """
        self._connection, self._index = connection, index
        rows = rows_by_key(
            connection,
            resolved_record,
            "record_no",
            changed.tolist(),
            ("record_no", "content_no"),
            within={"generation": index.generation},
        )
        self.before: dict[int, int] = dict(rows)
        self.now = now
        moved = [record for record in changed.tolist() if self.before.get(record) != now.get(record)]
        left = [(self.before[record], record) for record in moved if record in self.before]
        entered = [(now[record], record) for record in moved if record in now]
        self.copies = Entries.of(*columns(entered), *columns(left))
        touched = sorted_numbers({content for content, _ in (*left, *entered)})
        self._held_before: dict[int, set[int]] = {}
        for content, record in self._stored_members(touched):
            self._held_before.setdefault(content, set()).add(record)
        self._members: dict[int, set[int]] = {content: set(of) for content, of in self._held_before.items()}
        for content, record in left:
            self._members[content].discard(record)
        for content, record in entered:
            self._members.setdefault(content, set()).add(record)
        was, stays = self._held_before.get, self._members.get
        self.new = sorted_numbers(one for one in touched.tolist() if not was(one) and stays(one))
        self.gone = sorted_numbers(one for one in touched.tolist() if was(one) and not stays(one))
        self.kept = np.setdiff1d(touched, np.concatenate([self.new, self.gone]))

    def members_of(self, contents: Numbers) -> tuple[Numbers, Numbers]:
        """Contents and records after the batch, pair by pair, sorted."""
        unknown = sorted_numbers(content for content in contents.tolist() if content not in self._members)
        for content, record in self._stored_members(unknown):
            self._held_before.setdefault(content, set()).add(record)
            self._members.setdefault(content, set()).add(record)
        pairs = [
            (content, record) for content in contents.tolist() for record in self._members.get(content, ())
        ]
        found = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
        return found[:, 0], found[:, 1]

    def records_of(self, contents: Numbers) -> tuple[set[int], dict[int, int]]:
        """The records of contents after the batch, and by record its content."""
        found, records = self.members_of(contents)
        return set(records.tolist()), dict(zip(records.tolist(), found.tolist(), strict=True))

    def records_before(self, contents: Iterable[int]) -> set[int]:
        """The records that held contents before the batch, of contents that were asked for already."""
        return {record for content in contents for record in self._held_before.get(content, ())}

    def copied(self, contents: Numbers) -> set[int]:
        """Those of the contents that several records have."""
        found, _ = self.members_of(contents)
        numbers, counts = np.unique(found, return_counts=True)
        return set(numbers[counts > 1].tolist())

    def _stored_members(self, contents: Numbers) -> Iterable[tuple[int, int]]:
        found, records = self._index.copies(self._connection, contents)
        return zip(found.tolist(), records.tolist(), strict=True)


def sorted_numbers(numbers: Iterable[int]) -> Numbers:
    """Numbers as a rising column."""
    return np.array(sorted(numbers), dtype=np.int64)
