"""From identity records to what is compared: one row for each distinct normalised content, and who holds it.

Records with the same content cannot be told apart, so everything is computed once for a content and spread
to its holders at the end. A content goes by its digest: neither the order of the rows nor the order of
arrival can matter. What is frozen in a model (how rare a value is) is looked up, never counted again here.
"""

import re
import zlib
from collections.abc import Iterable

import pyarrow as pa

from customer_profiles.identity.edges.workbench import Workbench

TEXT_FIELDS = (
    "given_name",
    "family_name",
    "full_name",
    "birth_date",
    "address_line",
    "city",
    "region",
    "postcode",
    "country",
)
PLACE_FIELDS = ("address_line", "city", "region", "country")
NAME_TOKENS = 12
IDENTIFIERS_A_KIND = 50
LONGEST_TEXT = 300
TITLES = (
    "mr|mrs|ms|miss|mx|master|dr|doctor|prof|professor|sir|dame|lord|lady|rev|revd|reverend|fr|father|rt|right|hon|"
    "honourable|capt|captain|col|colonel|maj|major|lt|lieutenant|gen|general|adm|admiral|sgt|baron|baroness|earl|count|"
    "countess|viscount|duke|duchess|prince|princess|king|queen|saint|st"
)
IDENTIFIER_TYPE = pa.list_(pa.struct([("kind", pa.string()), ("value", pa.string())]))


def extra_columns(records: pa.Table) -> tuple[str, ...]:
    """The extra attributes that a table of identity records has, by name, in order of their names."""
    return tuple(
        sorted(name.removeprefix("extra_") for name in records.column_names if name.startswith("extra_"))
    )


def extra_field(name: str) -> str:
    """The column that an extra attribute gets here: safe to stand in SQL unquoted, whatever the source
    called it.
    """
    safe = re.sub(r"[^a-z0-9_]", "_", name.lower())
    return f"extra_{safe}" if safe == name else f"extra_{safe}_{zlib.crc32(name.encode()):08x}"


def load_content(bench: Workbench, records: pa.Table, extras: Iterable[str]) -> None:
    """Write the tables `content` (one row a distinct normalised content) and `member` (record_no to
    content_no).

    Contents are numbered from 0 in the order of their digests, in 32 bits.

    Args:
        bench: a workbench.
        records: identity records, one row a live record.
        extras: the extra attributes to keep, by name; one that the records lack is null throughout.
    """
    load_digested(bench, records, extras)
    bench.make(
        "numbered",
        """
        select digest, min(record_no) as first_record_no, count(*) as copies,
            (row_number() over (order by digest) - 1)::integer as content_no
        from digested group by digest
        """,
    )
    bench.make(
        "member",
        """
        select record_no, content_no, copies,
            (row_number() over (partition by content_no order by record_no))::integer as copy_no
        from digested join numbered using (digest)
        """,
    )
    bench.make(
        "content",
        _content_query(
            "n.content_no, n.copies",
            f"{_SAYING} d join numbered n on n.digest = d.digest and n.first_record_no = d.record_no",
        ),
    )
    bench.drop("digested", "numbered")


def load_content_of(bench: Workbench, records: Iterable[int]) -> None:
    """Write the table `content` of some records of the table `digested`, each of another content.

    A content's number is its digest (62 bits), the same in every batch.
    """
    with bench.given("speaker", pa.table({"record_no": pa.array(records, pa.int64())})):
        bench.make(
            "content",
            _content_query(
                "d.digest as content_no, 1::bigint as copies",
                f"{_SAYING} d semi join speaker using (record_no)",
            ),
        )


def load_digested(bench: Workbench, records: pa.Table, extras: Iterable[str]) -> None:
    """Write the table `digested`: what each record says, normalised, and the digest of it.

    Args:
        bench: a workbench.
        records: identity records, one row a live record.
        extras: the extra attributes to keep, by name; one that the records lack is null throughout.
    """
    extras = tuple(extras)
    fields = (*PLACE_FIELDS, *(extra_field(name) for name in extras))
    with bench.given("identity_record", _complete(records, extras)):
        bench.make(
            "digested",
            f"""
        with told as (
            -- One call in a lambda: every call of its own compiles its patterns again, a millisecond each.
            select *, list_transform([
                coalesce(nullif(trim(full_name), ''), concat_ws(' ', given_name, family_name)),
                concat_ws(' ', full_name, given_name, family_name),
                given_name,
                {", ".join(fields)}
            ], lambda x: plain_text(x)) as plain
            from identity_record
        ),
        text as (
            select
                record_no, plain[1] as name, plain[2] as name_words, plain[3] as given,
                nullif(trim(left(birth_date, 10)), '') as birth_date,
                nullif(regexp_replace(lower(left(postcode, 20)), '[^a-z0-9]', '', 'g'), '') as postcode,
                {"".join(f"plain[{place}] as {name}, " for place, name in enumerate(fields, 4))}
                coalesce(list_sort(list_distinct(list_transform(emails, lambda e: lower(trim(e))))), []) as emails,
                coalesce(list_sort(list_distinct(phones)), []) as phones,
                coalesce(list_sort(list_distinct(list_transform(identifiers,
                    lambda i: i.kind || chr(31) || i.value))), []) as identifiers
            from told
        ),
        normalised as (
            select
                * exclude (name, name_words, given, address_line),
                told_address(address_line) as address_line,
                array_to_string(string_split(name, ' ')[1:{NAME_TOKENS}], ' ') as name,
                list_sort(list_distinct(string_split(name_words, ' ')[1:{2 * NAME_TOKENS}]))[1:{NAME_TOKENS}]
                    as name_words,
                nullif(regexp_extract(case when given is not null then given || ' ' else name end,
                    '^(?:(?:{TITLES}) )*([^ ]+) ', 1), '') as first_name
            from text
        )
        select *, content_digest(concat_ws(chr(30),
            coalesce(name, ''), coalesce(array_to_string(name_words, ' '), ''), coalesce(first_name, ''),
            coalesce(birth_date, ''), coalesce(postcode, ''),
            {", ".join(f"coalesce({name}, '')" for name in fields)},
            array_to_string(emails, chr(31)), array_to_string(phones, chr(31)),
            array_to_string(identifiers, chr(31)))) as digest
        from normalised
        """,
        )


_SAYING = "(select *, sorted_words(address_line) as address_words from digested)"


def _content_query(number: str, records: str) -> str:
    return f"""
        select {number}, d.* exclude (record_no),
            array_to_string(d.name_words, ' ') as name_set,
            d.postcode || ' ' || d.city as postcode_city,
            d.address_words || ' ' || d.postcode as address_postcode,
            case
                when d.postcode similar to '[a-z]{{1,2}}[0-9][a-z0-9]?[0-9][a-z]{{2}}' then d.postcode[:-4]
                else d.postcode[1:3]
            end as outcode,
            coalesce(nullif(regexp_extract(d.postcode, '^[a-z]+'), ''), d.postcode[1:2]) as postcode_area
        from {records}
    """


def _complete(records: pa.Table, extras: tuple[str, ...]) -> pa.Table:
    """The records with every column there and of the expected type."""
    rows = records.num_rows
    columns: dict[str, object] = {"record_no": records["record_no"].cast(pa.int64())}

    def column(name: str, kind: pa.DataType) -> object:
        return records[name].cast(kind) if name in records.column_names else pa.nulls(rows, kind)

    for name in TEXT_FIELDS:
        columns[name] = column(name, pa.string())
    for name in ("emails", "phones"):
        columns[name] = column(name, pa.list_(pa.string()))
    columns["identifiers"] = column("identifiers", IDENTIFIER_TYPE)
    for name in extras:
        columns[extra_field(name)] = column(f"extra_{name}", pa.string())
    return pa.table(columns)
