"""What the index keeps of a content, written from a workbench and brought back into one: all that comparing and keys need."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from customer_profiles.identity.edges.blocking import entry_queries, load_atoms
from customer_profiles.identity.edges.features import PLACE_FIELDS, extra_field
from customer_profiles.identity.edges.frequencies import NAME_PRICED, Shares, rarities
from customer_profiles.identity.edges.index_delta import NONE
from customer_profiles.identity.edges.index_parts import Entries, content_parts, key_parts
from customer_profiles.identity.edges.preparation import compared_lists, prepare
from customer_profiles.identity.edges.workbench import Workbench, workbench
from customer_profiles.identity.model.bundle import ModelBundle
from customer_profiles.settings.identity import IdentitySettings

Numbers = NDArray[np.int64]
Part = tuple[int, int, int, bytes]
_CONTENTS_AT_ONCE = 65_536
_CONTENT_ROWS, _CONTACT_ROWS = "content_row", "contact_row"
"""The names by which statements read rows of the index."""


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
    with bench.given(_CONTENT_ROWS, _content_rows(rows, bundle)):
        bench.make("content", f"select * from {_CONTENT_ROWS}")
    with bench.given(_CONTACT_ROWS, _contact_rows(rows, settings)):
        bench.make("contact", f"select * from {_CONTACT_ROWS}")


def add_contents(bench: Workbench, now: pa.Table, before: pa.Table, bundle: ModelBundle) -> None:
    """Add index rows to the table `content`, those of contents as they were before each under -1 - its number."""
    rows = pa.concat_tables([_content_rows(now, bundle), _as_before(_content_rows(before, bundle))])
    with bench.given(_CONTENT_ROWS, rows):
        bench.add("content", f"select * from {_CONTENT_ROWS}")


def add_contacts(bench: Workbench, before: pa.Table, settings: IdentitySettings) -> None:
    """Add what contents said before to the table `contact`, each under -1 - its number."""
    with bench.given(_CONTACT_ROWS, _as_before(_contact_rows(before, settings))):
        bench.add("contact", f"select * from {_CONTACT_ROWS}")


def _content_rows(rows: pa.Table, bundle: ModelBundle) -> pa.Table:
    """Index rows with the columns of the table `content`."""
    own = {name: rows[name] for name in ("content_no", *own_columns(bundle.extras))}
    copies = np.ones(rows.num_rows, dtype=np.int64)
    return pa.table({**own, "digest": rows["content_no"], "copies": copies, **_derived(rows)})


def _contact_rows(rows: pa.Table, settings: IdentitySettings) -> pa.Table:
    """Index rows with the columns of the table `contact`."""
    lists = {name: rows[f"live_{name}"] for name in compared_lists(settings)}
    return pa.table({"content_no": rows["content_no"], **lists})


def _as_before(rows: pa.Table) -> pa.Table:
    return rows.set_column(0, "content_no", pa.array(-1 - rows["content_no"].to_numpy()))


def feature_columns(bundle: ModelBundle, settings: IdentitySettings) -> list[str]:
    """The columns of index rows that `features_of` reads."""
    left_out = ("emails", "phones", "identifiers")
    own = [name for name in own_columns(bundle.extras) if name not in left_out]
    tokens = ("name_tokens", "name_total", *(f"tf_{column}" for column in bundle.rare_columns()))
    return ["content_no", *own, *tokens, *(f"live_{name}" for name in compared_lists(settings))]


def features_of(rows: pa.Table, bundle: ModelBundle, settings: IdentitySettings) -> pa.Table:
    """What comparisons read of index rows, with the columns of the table `feature`."""
    named = {name: name.removeprefix("live_") for name in feature_columns(bundle, settings)}
    del named["name_words"]
    return pa.table({**{new: rows[name] for name, new in named.items()}, **_derived(rows)})


def _derived(rows: pa.Table) -> dict[str, pa.ChunkedArray]:
    """Columns of the table `content` that are made again from others when a row is brought back."""
    addresses = rows["address_line"].to_pylist()
    words = [None if address is None else " ".join(sorted(address.split(" "))) for address in addresses]
    sorted_words = pa.chunked_array([pa.array(words, pa.string())])
    return {
        "name_set": pc.binary_join(rows["name_words"], " "),
        "postcode_city": pc.binary_join_element_wise(rows["postcode"], rows["city"], " "),
        "address_words": sorted_words,
        "address_postcode": pc.binary_join_element_wise(sorted_words, rows["postcode"], " "),
    }


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
            record_nos, contents = (
                np.asarray(rows[name], dtype=np.int64) for name in ("record_no", "digest")
            )
            self.content_of = contents
            """By place of the record among the records, its content."""
            self.copies = list(key_parts(Entries.of(contents, record_nos, NONE, NONE)))
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
