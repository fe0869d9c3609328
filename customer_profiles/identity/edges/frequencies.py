"""How rare values are: counted once when a model is trained, frozen with it, looked up ever after.

Values are kept as fingerprints, never in the clear, and only when at least two contents have them: any
other value is as rare as values get.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from customer_profiles.identity.edges.workbench import Workbench

TOKEN = "token"
CONTENTS_AT_ONCE = 500_000
"""What is known of the rarity of so many contents stands beside them in memory."""


@dataclass(frozen=True)
class Frequencies:
    """Frozen shares of values.

    Attributes:
        values: columns field, fingerprint (64-bit), share: of the contents that know the field, how many
            have the value.
        floors: by field, the share of a value that is not listed.
    """

    values: pa.Table
    floors: dict[str, float]


def count_frequencies(bench: Workbench, columns: Collection[str]) -> Frequencies:
    """Count the words of names and the values of columns over the table `content`."""
    parts = ["select 'token' as field, unnest(name_words) as value from content"]
    parts += [
        f"select '{column}' as field, {column} as value from content where {column} is not null"
        for column in sorted(columns)
    ]
    bench.make_empty("valued", "field varchar, fingerprint ubigint, holders bigint")
    floors: dict[str, float] = {}
    for part in parts:
        bench.add(
            "valued",
            "select field, fingerprint(field, value) as fingerprint, count(*) as holders "
            f"from ({part}) where value is not null group by field, value",
        )
    contents = int(bench.execute("select count(*) from content where name is not null").fetchall()[0][0])
    for field, total in bench.execute("select field, sum(holders) from valued group by field").fetchall():
        floors[field] = 1.0 / max(contents if field == TOKEN else int(total), 2)
    floors.setdefault(TOKEN, 0.5)
    bench.make_empty("floor", "field varchar, share double")
    bench.executemany("insert into floor values (?, ?)", sorted(floors.items()))
    values = bench.arrow(
        "select field, fingerprint, least(1.0, holders * share) as share from valued join floor using (field) "
        "where holders > 1 order by field, fingerprint"
    )
    return Frequencies(values, floors)


def blended(counted: Frequencies, general: Frequencies, strength: float) -> Frequencies:
    """Frequencies counted on few records, filled up with general knowledge.

    Args:
        counted: what the few records have.
        general: the frequencies of the shipped priors.
        strength: how many records the general frequencies are worth.
    """
    known: dict[tuple[str, int], float] = {}
    weight = {field: 1.0 / (1.0 + strength * floor) for field, floor in counted.floors.items()}
    floors = {
        field: weight[field] * floor + (1 - weight[field]) * general.floors.get(field, floor)
        for field, floor in counted.floors.items()
    }
    for row in general.values.to_pylist():
        if row["field"] in floors:
            field = row["field"]
            known[field, row["fingerprint"]] = (
                weight[field] * counted.floors[field] + (1 - weight[field]) * row["share"]
            )
    for row in counted.values.to_pylist():
        key = (row["field"], row["fingerprint"])
        rest = known.get(key, floors[key[0]]) - weight[key[0]] * counted.floors[key[0]]
        known[key] = weight[key[0]] * row["share"] + max(rest, 0.0)
    fields, prints = zip(*sorted(known), strict=True) if known else ((), ())
    values = pa.table(
        {
            "field": pa.array(fields, pa.string()),
            "fingerprint": pa.array(prints, pa.uint64()),
            "share": pa.array([known[key] for key in sorted(known)], pa.float64()),
        }
    )
    return Frequencies(values, floors)


def load_features(
    bench: Workbench,
    frequencies: Frequencies,
    aliases: pa.Table,
    columns: Collection[str],
    lists: Collection[str],
) -> None:
    """Write the table `feature`: what comparisons read, one row a content.

    Args:
        bench: a workbench with the tables `content` and `contact`.
        frequencies: how rare values are.
        aliases: columns token, alias: names that stand for each other.
        columns: columns of `content` whose rare values weigh more; each gets its `tf_` column.
        lists: columns of `contact` that are compared.
    """
    shares = Shares(frequencies, aliases)
    last = int(bench.execute("select coalesce(max(rowid), 0) from content").fetchall()[0][0])
    write = bench.make
    for first in range(0, last + 1, CONTENTS_AT_ONCE):
        some = f"rowid between {first} and {first + CONTENTS_AT_ONCE - 1}"
        with bench.given("rarity", rarities(bench, shares, columns, some)):
            write(
                "feature",
                f"""
                select
                    c.* exclude (copies, digest, name_words, emails, phones, identifiers), {NAME_PRICED}
                    {"".join(f", coalesce(k.{name}, []) as {name}" for name in lists)}
                    {"".join(f", r.tf_{column}" for column in sorted(columns))}
                from (select * from content where {some}) c
                join rarity r using (content_no)
                left join contact k using (content_no)
                """,
            )
        write = bench.add


NAME_PRICED = """
    list_transform(c.name_words, lambda word, place: {
        'token': word, 'bits': word_bits(r.word_shares[place]), 'aliases': r.word_aliases[place]
    }) as name_tokens,
    list_sum(list_transform(r.word_shares, lambda share: word_bits(share))) as name_total
"""
"""What the words of a name are worth, as columns of a query over `content c` and `rarity r`."""


class Shares:
    """What a model has frozen of values: their shares, to be looked up by their fingerprints, and the aliases of words."""

    def __init__(self, frequencies: Frequencies, aliases: pa.Table) -> None:
        """Put them in order, once a model.

        Args:
            frequencies: How rare values are.
            aliases: Columns token, alias: names that stand for each other.
        """
        self._floors = frequencies.floors
        self._aliases: dict[str, list[str]] = {}
        pairs = zip(aliases["token"].to_pylist(), aliases["alias"].to_pylist(), strict=True)
        for token, alias in sorted(pairs):
            self._aliases.setdefault(token, []).append(alias)
        # A bundle has its values in order: then what is kept are views of it.
        values = frequencies.values if _in_order(frequencies.values) else _sorted(frequencies.values)
        prints, shares = (values[name].to_numpy() for name in ("fingerprint", "share"))
        self._of = {field: (prints[start:end], shares[start:end]) for field, start, end in _stretches(values)}

    def of(self, field: str, prints: pa.ChunkedArray) -> pa.Array:
        """The share of each value of a field.

        Args:
            field: Whose values; `TOKEN` for words of names.
            prints: Their fingerprints (64-bit); null where there is no value.

        Returns:
            Between 0 and 1, the field's floor where a value is not listed; null where there is no value.
        """
        asked = prints.fill_null(0).to_numpy()
        floor = self._floors.get(field, 0.5 if field == TOKEN else 1.0)
        shares = np.full(len(asked), floor)
        listed, share = self._of.get(field, (None, None))
        if listed is not None and share is not None:
            place = np.minimum(np.searchsorted(listed, asked), len(listed) - 1)
            known = listed[place] == asked
            shares[known] = share[place[known]]
        return pa.array(shares, mask=prints.is_null().to_numpy())

    def of_words(self, prints: pa.ListArray) -> pa.ListArray:
        """By name the shares of its words.

        Args:
            prints: The fingerprints of the words; null where there is no name.
        """
        return _in_lists(prints, self.of(TOKEN, pa.chunked_array([prints.flatten()])))

    def aliases_of(self, words: pa.ListArray) -> pa.ListArray:
        """By name the aliases of each of its words; null where there is no name."""
        each = words.flatten().dictionary_encode()
        aliases = [self._aliases.get(word, []) for word in each.dictionary.to_pylist()]
        return _in_lists(words, pa.array(aliases, pa.list_(pa.string())).take(each.indices))


def _stretches(values: pa.Table) -> list[tuple[str, int, int]]:
    """Which fields follow one another, and from where to where each has its values."""
    runs = pc.run_end_encode(values["field"].combine_chunks())
    ends = runs.run_ends.to_pylist()
    return list(zip(runs.values.to_pylist(), [0, *ends], ends, strict=False))


def _in_order(values: pa.Table) -> bool:
    prints = values["fingerprint"].to_numpy()
    stretches = _stretches(values)
    rising = all((prints[start + 1 : end] > prints[start : end - 1]).all() for _, start, end in stretches)
    return rising and len({field for field, *_ in stretches}) == len(stretches)


def _sorted(values: pa.Table) -> pa.Table:
    return values.sort_by([("field", "ascending"), ("fingerprint", "ascending")])


def _in_lists(like: pa.ListArray, values: pa.Array) -> pa.ListArray:
    """Values in lists as long as those of another column."""
    lengths = like.value_lengths().fill_null(0).to_numpy()
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(offsets, values, mask=like.is_null())


def rarities(bench: Workbench, shares: Shares, columns: Collection[str], condition: str = "true") -> pa.Table:
    """How rare the values of contents are: content_no, word_shares, word_aliases and a `tf_` column for each that is asked for.

    Args:
        bench: A workbench with the table `content`.
        shares: What the model knows.
        columns: The columns whose rare values weigh more.
        condition: Of which contents.
    """
    prints = "".join(f", fingerprint('{column}', {column}) as {column}" for column in sorted(columns))
    asked = bench.arrow(
        f"""
        select content_no, name_words, list_transform(name_words, lambda w: fingerprint('{TOKEN}', w)) as word_prints
            {prints}
        from content where {condition}
        """
    )
    return pa.table(
        {
            "content_no": asked["content_no"],
            "word_shares": shares.of_words(asked["word_prints"].combine_chunks()),
            "word_aliases": shares.aliases_of(asked["name_words"].combine_chunks()),
            **{f"tf_{column}": shares.of(column, asked[column]) for column in sorted(columns)},
        }
    )
