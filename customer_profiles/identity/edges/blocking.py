"""Which pairs are looked at: pairs of records that share a live blocking key.

A key is made of two atoms of a record (a word of the name and the birth year, the outcode and the
occupation, …): much rarer than one atom, and each survives an error in all the others. A key held by more
contents than the cap is dead, until holders go. Live identifier values are keys too. Keys are 64-bit
hashes: an atom's hash carries its kind, so the exclusive-or of two is a key of its own.
"""

from collections.abc import Collection
from dataclasses import dataclass

from customer_profiles.identity.edges.workbench import Workbench

LIST_ATOMS = frozenset({"name", "name_start", "email_name"})
_PAIRS = (
    ("name", "name"),
    ("name", "birth_date"),
    ("name", "birth_year"),
    ("name", "birth_day"),
    ("name", "postcode"),
    ("name", "outcode"),
    ("name", "city"),
    ("name", "address_line"),
    ("name_start", "name_start"),
    ("name_start", "birth_date"),
    ("name_start", "postcode"),
    ("name_start", "city"),
    ("birth_date", "postcode"),
    ("birth_date", "outcode"),
    ("birth_date", "city"),
    ("birth_date", "address_line"),
    ("birth_year", "postcode"),
    ("postcode", "city"),
    ("address_line", "postcode"),
    ("address_line", "city"),
)
_SINGLES = ("name", "birth_date", "postcode", "email_name")
_WITH_EXTRA = ("name", "birth_date", "postcode", "outcode")
EXTRAS_IN_KEYS = 4
ATOM_FIELD = {
    "name_start": "name",
    "birth_year": "birth_date",
    "birth_day": "birth_date",
    "outcode": "postcode",
    "email_name": "emails",
}


@dataclass(frozen=True)
class BlockingRule:
    """One or two kinds of atoms that make a key."""

    atoms: tuple[str, ...]

    @property
    def name(self) -> str:
        """What to call the rule where support is shown, such as `name + birth_year`."""
        return " + ".join(self.atoms)

    def cap(self, cap: int) -> int:
        """The most contents that may hold a live key; a single atom says less, so its keys die at half the
        cap.
        """
        return cap if len(self.atoms) == 2 else cap // 2


def blocking_rules(fields: Collection[str], extras: Collection[str]) -> tuple[BlockingRule, ...]:
    """The rules for data with these fields.

    Args:
        fields: contract fields that have at least two different values.
        extras: columns of extra attributes that tell records apart, in order of worth; the first few are
            used.
    """
    known = set(fields)

    def there(atom: str) -> bool:
        return ATOM_FIELD.get(atom, atom) in known

    rules = [BlockingRule(pair) for pair in _PAIRS if all(map(there, pair))]
    rules += [BlockingRule((atom,)) for atom in _SINGLES if there(atom)]
    for extra in tuple(extras)[:EXTRAS_IN_KEYS]:
        rules += [BlockingRule((atom, extra)) for atom in _WITH_EXTRA if there(atom)]
    return tuple(rules)


def load_atoms(bench: Workbench, rules: Collection[BlockingRule]) -> None:
    """Write the table `atom`: for each content the hashes of its atoms, lists for kinds of which it has
    several.
    """
    extras = sorted({atom for rule in rules for atom in rule.atoms if atom.startswith("extra_")})
    bench.make(
        "atom",
        f"""
        select
            content_no,
            list_transform(list_filter(name_words, lambda w: length(w) > 1), lambda w: fingerprint('name', w)) as name,
            list_distinct(list_transform(list_filter(name_words, lambda w: length(w) > 2),
                lambda w: fingerprint('name_start', w[1:3]))) as name_start,
            fingerprint('birth_date', birth_date) as birth_date,
            fingerprint('birth_year', birth_date[1:4]) as birth_year,
            fingerprint('birth_day', nullif(birth_date[6:], '')) as birth_day,
            fingerprint('postcode', postcode) as postcode,
            fingerprint('outcode', outcode) as outcode,
            fingerprint('city', city) as city,
            fingerprint('address_line', address_words) as address_line,
            list_transform(email_names, lambda u: fingerprint('email_name', u)) as email_name,
            {"".join(f"fingerprint('{name}', {name}) as {name}, " for name in extras)}
            copies > 1 as has_copies
        from content left join contact using (content_no)
    """,
    )


def entry_queries(kinds: Collection[str], rules: Collection[BlockingRule]) -> list[str]:
    """By bit of support the query for all (content_no, key): values of identifiers, hubs too, then keys of rules.

    They read the tables `held` and `atom`.
    """
    values = [f"select content_no, key from held where kind = '{kind}'" for kind in kinds]
    return values + [f"select content_no, key from ({key_query(rule)})" for rule in rules]


def load_live_keys(
    bench: Workbench, kinds: Collection[str], rules: Collection[BlockingRule], cap: int
) -> None:
    """Write the table `live_key` (content_no, key, support) of keys that can bring a pair together, and the table
    `copied` (content_no) of contents that several records have.

    `support` has one bit: the position of the kind of identifier, or of the rule after all kinds.

    Args:
        bench: a workbench with the tables `content`, `holder` and `atom`.
        kinds: kinds of identifiers, in the order of their bits.
        rules: blocking rules, in the order of their bits.
        cap: the most contents that may hold a live key of two atoms.
    """
    bench.make("copied", "select content_no from content where copies > 1")
    bench.make_empty("live_key", "content_no integer, key ubigint, support bigint")
    for bit, kind in enumerate(kinds):
        _add_keys(
            bench,
            f"select content_no, key, copies > 1 as has_copies from holder join content using (content_no) where kind = '{kind}'",
            1 << bit,
            None,
        )
    for bit, rule in enumerate(rules, start=len(kinds)):
        _add_keys(bench, key_query(rule), 1 << bit, rule.cap(cap))


def _add_keys(bench: Workbench, keys: str, support: int, cap: int | None) -> None:
    """Add the keys that at most `cap` contents hold, of those that bring anybody together."""
    bench.execute(f"""
        insert into live_key
        with made as ({keys}),
        live as (
            select key from made group by key
            having {f"count(*) <= {cap} and " if cap is not None else ""}(count(*) > 1 or bool_or(has_copies))
        )
        select content_no, key, {support} from made semi join live using (key)
    """)


def key_query(rule: BlockingRule) -> str:
    """The query for the keys of a rule: columns content_no, key, has_copies."""
    first = rule.atoms[0]
    if len(rule.atoms) == 1:
        value = f"unnest({first})" if first in LIST_ATOMS else first
        return f"select content_no, {value} as key, has_copies from atom where {first} is not null"
    second = rule.atoms[1]
    if first == second:
        return (
            "select content_no, xor(x, y) as key, has_copies from (select content_no, has_copies, x, "
            f"unnest({second}) as y from (select content_no, has_copies, {second}, unnest({first}) as x from atom)) "
            "where x < y"
        )
    left = f"unnest({first})" if first in LIST_ATOMS else first
    return (
        f"select content_no, xor(x, y) as key, has_copies from (select content_no, has_copies, {left} as x, "
        f"{second} as y from atom where {second} is not null) where x is not null"
    )


def load_candidates(bench: Workbench, part: int, parts: int, share: float = 1.0) -> int:
    """Write the table `candidate` (left_no, right_no, support): one part of all pairs that share a live key.

    Pairs of one content with itself stand for its copies.

    Args:
        bench: a workbench with the table `live_key`.
        part: which part, from 0.
        parts: into how many parts the left contents are dealt.
        share: of the left contents, the share to take: a sample of pairs, for training.

    Returns:
        How many pairs.
    """
    picked = f"content_no % {parts} = {part}"
    if share < 1.0:
        picked += f" and md5_number_lower(content_no::varchar) % 1000003 < {int(share * 1000003)}"
    bench.make(
        "candidate",
        f"""
        select l.content_no as left_no, r.content_no as right_no, bit_or(l.support) as support
        from (select * from live_key where {picked}) l
        join live_key r on l.key = r.key and l.content_no < r.content_no
        group by all
        union all
        select content_no, content_no, bit_or(support)
        from live_key join copied using (content_no)
        where {picked}
        group by all
    """,
    )
    return int(bench.execute("select count(*) from candidate").fetchall()[0][0])
