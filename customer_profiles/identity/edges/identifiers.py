"""Shared identifiers: who holds which value, which values are hubs, and what a live value says about two
records.

A hub is a value with more live holders than its kind's cap, a value listed as generic, or (for kinds with a
single log-in) a value seen with two user IDs. It counts as null everywhere. All of it is a function of the
live records: when a holder goes, the value lives again.
"""

from collections.abc import Mapping, Sequence

from customer_profiles.identity.edges.workbench import Workbench
from customer_profiles.settings.identity import IdentitySettings

LIST_KINDS: Mapping[str, str] = {"email": "emails", "phone": "phones"}
LOG_IN = "user_id"


def load_holders(bench: Workbench, settings: IdentitySettings, identifiers_a_kind: int) -> tuple[str, ...]:
    """Write the tables `held`, `hub`, `holder` and `contact` for contents that are all the contents there are.

    Args:
        bench: a workbench with the table `content`.
        settings: caps, generic values and joins by kind; a kind that they do not name is left out.
        identifiers_a_kind: of a content with more values of a kind, so many count (the first in their order).

    Returns:
        The kinds that the settings name, in order of their names.
    """
    kinds = load_kind_rules(bench, settings)
    load_held(bench, identifiers_a_kind)
    load_hubs(bench)
    load_live_holders(bench, settings)
    return kinds


def load_kind_rules(bench: Workbench, settings: IdentitySettings) -> tuple[str, ...]:
    """Write what the settings say of each kind into the workbench; returns the kinds in order of their names."""
    kinds = tuple(sorted(settings.identifiers))
    bench.make_empty("kind_rule", "kind varchar, cap bigint, single_login boolean")
    bench.executemany(
        "insert into kind_rule values (?, ?, ?)",
        [(kind, settings.identifiers[kind].cap, settings.identifiers[kind].single_login) for kind in kinds],
    )
    _load_generic_values(bench, settings.generic_values)
    return kinds


def load_held(bench: Workbench, identifiers_a_kind: int) -> None:
    """Write the table `held` (content_no, kind, value, generic): every value that counts, hub or not."""
    lists = " union all ".join(
        f"select content_no, '{kind}' as kind, unnest({column}[1:{identifiers_a_kind}]) as value from content"
        for kind, column in LIST_KINDS.items()
    )
    bench.make(
        "held",
        f"""
        with stated as (
            {lists}
            union all
            select content_no, split_part(pair, chr(31), 1) as kind, split_part(pair, chr(31), 2) as value
            from (select content_no, unnest(identifiers) as pair from content)
        ),
        counted as (
            select distinct content_no, kind, value
            from stated semi join kind_rule using (kind)
            where value <> ''
            qualify row_number() over (partition by content_no, kind order by value) <= {identifiers_a_kind}
        )
        select c.*, exists (
            select 1 from generic_value g where g.kind = c.kind and c.value glob g.pattern
        ) as generic
        from counted c
    """,
    )


def load_hubs(bench: Workbench) -> None:
    """Write the table `hub` (kind, value, holders, reason).

    Holders are counted by distinct content, so that a thousand copies of one person are one holder.
    """
    bench.make(
        "hub",
        f"""
        with counted as (
            select kind, value, count(*) as holders, bool_or(generic) as generic from held group by kind, value
        ),
        shared_login as (
            select h.kind, h.value
            from held h
            join kind_rule r on r.kind = h.kind and r.single_login
            join held u on u.content_no = h.content_no and u.kind = '{LOG_IN}'
            group by all having count(distinct u.value) > 1
        )
        select kind, value, holders,
            case
                when generic then 'generic'
                when holders > cap then 'cap'
                else 'several log-ins'
            end as reason
        from counted
        join kind_rule using (kind)
        left join shared_login s using (kind, value)
        where holders > cap or generic or s.value is not null
    """,
    )


def load_live_holders(bench: Workbench, settings: IdentitySettings) -> None:
    """Write the tables `holder` (content_no, kind, value) of values that are no hubs, and `contact`."""
    bench.make("holder", "select content_no, kind, value from held anti join hub using (kind, value)")
    _load_contacts(bench, settings)


def evidence_kinds(settings: IdentitySettings) -> tuple[str, ...]:
    """The kinds whose values join nobody and are compared instead, in order of their names."""
    return tuple(sorted(kind for kind, rule in settings.identifiers.items() if rule.joins == "evidence"))


def evidence_column(kind: str) -> str:
    """The column of the table `contact` that holds the live values of a kind of identifier."""
    return LIST_KINDS.get(kind, f"evidence_{kind}")


def _load_contacts(bench: Workbench, settings: IdentitySettings) -> None:
    """Write the table `contact`: for each content with live values to compare, the values by kind."""
    kinds = dict.fromkeys((*LIST_KINDS, *evidence_kinds(settings)))
    bench.make(
        "contact",
        rf"""
        select *, coalesce(list_distinct(list_filter(list_transform(emails,
            lambda e: regexp_replace(regexp_extract(e, '^([^@+]+)', 1), '[^\p{{L}}\p{{N}}]', '', 'g')),
            lambda u: length(u) >= 5)), []) as email_names
        from (
            select content_no, {
            ", ".join(
                f"coalesce(list(value order by value) filter (kind = '{kind}'), []) as {evidence_column(kind)}"
                for kind in kinds
            )
        }
            from holder group by content_no
        )
    """,
    )


def _load_generic_values(bench: Workbench, generic_values: Mapping[str, Sequence[str]]) -> None:
    bench.make_empty("generic_value", "kind varchar, pattern varchar")
    patterns = [(kind, pattern) for kind, listed in generic_values.items() for pattern in listed]
    if patterns:
        bench.executemany("insert into generic_value values (?, ?)", patterns)
