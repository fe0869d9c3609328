"""What the index keeps of a content, written from a workbench and brought back into one: all that comparing and keys need."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numpy.typing import NDArray

from customer_profiles.identity.edges.blocking import entry_queries, load_atoms
from customer_profiles.identity.edges.features import PLACE_FIELDS, extra_field
from customer_profiles.identity.edges.frequencies import NAME_PRICED, Shares, rarities
from customer_profiles.identity.edges.index_parts import Entries, content_parts, key_parts
from customer_profiles.identity.edges.preparation import compared_lists, prepare
from customer_profiles.identity.edges.workbench import Workbench, workbench
from customer_profiles.identity.model.bundle import ModelBundle
from customer_profiles.settings.identity import IdentitySettings

Numbers = NDArray[np.int64]
Part = tuple[int, int, int, bytes]
_CONTENTS_AT_ONCE = 65_536
_ROWS, _CONTACT_ROWS, _DERIVING_ROWS = "index_rows", "index_contacts", "index_deriving"
"""The names by which statements read rows of the index, each with the columns it needs: every column given is read."""
DERIVED = {
    "name_set": "array_to_string(name_words, ' ')",
    "postcode_city": "postcode || ' ' || city",
    "address_words": "address_sorted",
    "address_postcode": "address_sorted || ' ' || postcode",
}
"""Columns of the table `content` that are made again from others when a row is brought back."""
_DERIVED_FROM = ("content_no", "name_words", "postcode", "city", "address_line")
_WITH_SORTED_WORDS = "(select *, sorted_words(address_line) as address_sorted from {})"
"""Words are sorted once a row."""


def own_columns(extras: Collection[str]) -> tuple[str, ...]:
    """The columns of the table `content` that are kept as they are."""
    text = ("name", "name_words", "first_name", "birth_date", "postcode", *PLACE_FIELDS)
    return (*text, *map(extra_field, extras), "emails", "phones", "identifiers", "outcode", "postcode_area")


def rows_of(
    bench: Workbench,
    shares: Shares,
    bundle: ModelBundle,
    settings: IdentitySettings,
    condition: str,
    number: str = "content_no",
) -> pa.Table:
    """Index rows from the tables `content` and `contact`, in no promised order.

    Args:
        bench: A workbench with the two.
        shares: What the model knows of values.
        bundle: The model.
        settings: Which lists are compared.
        condition: Of which contents.
        number: The column that names the content: `content_no`, or `digest` where contents are numbered by rank.
    """
    rare = bundle.rare_columns()
    with bench.given("rarity", rarities(bench, shares, rare, condition)):
        return bench.arrow(
            f"""
            select c.{number} as content_no, false as gone,
                {", ".join(f"c.{name}" for name in own_columns(bundle.extras))}, {NAME_PRICED}
                {"".join(f", r.tf_{column}" for column in rare)}
                {"".join(f", coalesce(k.{name}, []) as live_{name}" for name in compared_lists(settings))}
            from content c
            join rarity r using (content_no)
            left join contact k using (content_no)
            """
        )


def bring_back_content(
    bench: Workbench, rows: pa.Table, bundle: ModelBundle, settings: IdentitySettings
) -> None:
    """Write the tables `content` and `contact` from index rows."""
    with bench.given(_ROWS, _content_rows(rows, bundle)):
        bench.make("content", _content_query(bundle))
    with bench.given(_CONTACT_ROWS, _contact_rows(rows, settings)):
        bench.make("contact", _contact_query(settings))


def add_contents(bench: Workbench, rows: pa.Table, bundle: ModelBundle, *, before: bool = False) -> None:
    """Add index rows to the table `content`; with `before` each under -1 - its number."""
    with bench.given(_ROWS, _content_rows(rows, bundle)):
        bench.add("content", _content_query(bundle, _number(before)))


def add_contacts(
    bench: Workbench, rows: pa.Table, settings: IdentitySettings, *, before: bool = False
) -> None:
    """Add what index rows say to the table `contact`; with `before` each under -1 - its number."""
    with bench.given(_CONTACT_ROWS, _contact_rows(rows, settings)):
        bench.add("contact", _contact_query(settings, _number(before)))


def _number(before: bool) -> str:
    return "-1 - content_no" if before else "content_no"


def _content_rows(rows: pa.Table, bundle: ModelBundle) -> pa.Table:
    return rows.select(["content_no", *own_columns(bundle.extras)])


def _contact_rows(rows: pa.Table, settings: IdentitySettings) -> pa.Table:
    return rows.select(["content_no", *(f"live_{name}" for name in compared_lists(settings))])


def _content_query(bundle: ModelBundle, number: str = "content_no") -> str:
    own = ", ".join((*own_columns(bundle.extras), "content_no as digest"))
    return f"select {number} as content_no, 1::bigint as copies, {own}, {_derived()} from {_WITH_SORTED_WORDS.format(_ROWS)}"


def _contact_query(settings: IdentitySettings, number: str = "content_no") -> str:
    lists = ", ".join(f"live_{name} as {name}" for name in compared_lists(settings))
    return f"select {number} as content_no, {lists} from {_CONTACT_ROWS}"


def features_of(
    bench: Workbench, rows: pa.Table, bundle: ModelBundle, settings: IdentitySettings
) -> pa.Table:
    """What comparisons read of index rows, with the columns of the table `feature`, by rising `content_no`."""
    with bench.given(_DERIVING_ROWS, rows.select(_DERIVED_FROM)):
        derived = bench.arrow(
            f"select content_no, {_derived()} from {_WITH_SORTED_WORDS.format(_DERIVING_ROWS)}"
        )
    rows, derived = rows.sort_by("content_no"), derived.sort_by("content_no")
    left_out = ("name_words", "emails", "phones", "identifiers")
    own = [name for name in own_columns(bundle.extras) if name not in left_out]
    tokens = ("name_tokens", "name_total", *(f"tf_{column}" for column in bundle.rare_columns()))
    return pa.table(
        {
            **{name: rows[name] for name in ("content_no", *own, *tokens)},
            **{name: rows[f"live_{name}"] for name in compared_lists(settings)},
            **{name: derived[name] for name in DERIVED},
        }
    )


def _derived() -> str:
    return ", ".join(f"{expression} as {name}" for name, expression in DERIVED.items())


def read_entries(
    bench: Workbench, kinds: Collection[str], bundle: ModelBundle
) -> tuple[Numbers, Numbers, Numbers]:
    """Content, key and bit of support of every entry of the contents in the workbench (tables `held`, `content`, `contact`)."""
    load_atoms(bench, bundle.rules)
    each = [
        f"select content_no, key, {bit} as bit from ({query})"
        for bit, query in enumerate(entry_queries(kinds, bundle.rules))
    ]
    rows = bench.arrays(" union all ".join(each))
    contents, bits = (np.asarray(rows[name], dtype=np.int64) for name in ("content_no", "bit"))
    return contents, signed(rows["key"]), bits


def signed(keys: npt.ArrayLike) -> Numbers:
    """Unsigned keys as the signed numbers that the state can hold; the same bits."""
    return np.ascontiguousarray(keys, dtype=np.uint64).view(np.int64)


class WholeIndex:
    """The index of a whole set of records, in parts as they are written."""

    def __init__(self, records: pa.Table, bundle: ModelBundle, settings: IdentitySettings) -> None:
        """Compute it.

        Args:
            records: Identity records, one row a live record.
            bundle: The model.
            settings: Kinds of identifiers, caps and generic values.
        """
        with workbench() as bench:
            kinds = prepare(bench, records, bundle.extras, settings)
            self.contents = list(_content_parts(bench, bundle, settings))
            rows = bench.arrays(
                "select record_no, digest from member join content using (content_no) order by record_no"
            )
            self.content_of = np.asarray(rows["digest"], dtype=np.int64)
            """By place of the record among the records, its content."""
            self.keys = list(_key_parts(bench, kinds, bundle))


def _content_parts(bench: Workbench, bundle: ModelBundle, settings: IdentitySettings) -> Iterator[Part]:
    contents = int(bench.execute("select count(*) from content").fetchall()[0][0])
    shares = Shares(bundle.frequencies, bundle.aliases)
    for start in range(0, contents, _CONTENTS_AT_ONCE):
        some = f"content_no between {start} and {start + _CONTENTS_AT_ONCE - 1}"
        rows = rows_of(bench, shares, bundle, settings, some, "digest")
        yield from content_parts(rows.sort_by("content_no"))


def _key_parts(bench: Workbench, kinds: Collection[str], bundle: ModelBundle) -> Iterator[Part]:
    load_atoms(bench, bundle.rules)
    digests = np.asarray(
        bench.arrays("select digest from content order by content_no")["digest"],
        dtype=np.int64,
    )
    bench.drop("contact", "content")
    keys: list[Numbers] = []
    places: list[NDArray[np.int32]] = []
    for query in entry_queries(kinds, bundle.rules):
        rows = bench.arrays(query)
        keys.append(signed(rows["key"]))
        places.append(np.asarray(rows["content_no"], dtype=np.int32))
    all_keys, all_places = np.concatenate(keys), np.concatenate(places)
    del keys, places
    order = np.lexsort((all_places, all_keys))
    all_keys, all_places = all_keys[order], all_places[order]
    del order
    if len(all_keys):  # a content holds a key once, whatever collides
        once = np.ones(len(all_keys), dtype=np.bool_)
        once[1:] = (all_keys[1:] != all_keys[:-1]) | (all_places[1:] != all_places[:-1])
        all_keys, all_places = all_keys[once], all_places[once]
    yield from key_parts(Entries(all_keys, digests[all_places]))
