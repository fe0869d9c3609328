"""Shared identifiers: who holds which value, which values are hubs, and what a live value says about two
records.

A hub is a value with more live holders than its kind's cap, a value listed as generic, or (for kinds with a
single log-in) a value seen with two user IDs. It counts as null everywhere. All of it is a function of the
live records: when a holder goes, the value lives again.
"""

from collections.abc import Mapping

from customer_profiles.identity.edges.workbench import Workbench
from customer_profiles.settings.identity import IdentitySettings

LIST_KINDS: Mapping[str, str] = {"email": "emails", "phone": "phones"}
LOG_IN = "user_id"
LIVE = "held anti join hub using (key)"
"""Where the values are that are no hubs."""


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
    bench.make_empty("kind_rule", "kind varchar, cap bigint, single_login boolean, patterns varchar[]")
    rules = settings.identifiers
    bench.executemany(
        "insert into kind_rule values (?, ?, ?, ?)",
        [
            (kind, rules[kind].cap, rules[kind].single_login, list(settings.generic_values.get(kind, ())))
            for kind in kinds
        ],
    )
    return kinds


def load_held(bench: Workbench, identifiers_a_kind: int) -> None:
    """Write the table `held` (content_no, kind, value, generic, key): every value that counts, hub or not."""
    lists = ", ".join(
        f"list_transform({column}[1:{identifiers_a_kind}], lambda value: '{kind}' || chr(31) || value)"
        for kind, column in LIST_KINDS.items()
    )
    bench.make(
        "held",
        f"""
        with stated as (
            select content_no, split_part(pair, chr(31), 1) as kind, split_part(pair, chr(31), 2) as value
            from (select content_no, unnest(list_concat({lists}, identifiers)) as pair from content)
        ),
        counted as (
            select content_no, kind, unnest(list_sort(list(distinct value))[1:{identifiers_a_kind}]) as value
            from stated where value <> '' group by content_no, kind
        )
        select content_no, kind, value,
            list_contains(list_transform(patterns, lambda pattern: value glob pattern), true) as generic,
            fingerprint('identifier ' || kind, value) as key
        from counted join kind_rule using (kind)
        """,
    )


def load_hubs(bench: Workbench) -> None:
    """Write the table `hub` (key, kind, value, holders, reason).

    Holders are counted by distinct content, so that a thousand copies of one person are one holder.
    """
    bench.make(
        "hub",
        f"""
        with counted as (
            select key, kind, value, count(*) as holders, bool_or(generic) as generic from held group by all
        ),
        shared_login as (
            select h.kind, h.value
            from held h
            join kind_rule r on r.kind = h.kind and r.single_login
            join held u on u.content_no = h.content_no and u.kind = '{LOG_IN}'
            group by all having count(distinct u.value) > 1
        )
        select key, kind, value, holders,
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
    """Write the tables `holder` (content_no, kind, value, key) of values whose keys are not in `hub`, and `contact`."""
    bench.make("holder", f"select content_no, kind, value, key from {LIVE}")
    load_contacts(bench, settings, "holder")


def evidence_kinds(settings: IdentitySettings) -> tuple[str, ...]:
    """The kinds whose values join nobody and are compared instead, in order of their names."""
    return tuple(sorted(kind for kind, rule in settings.identifiers.items() if rule.joins == "evidence"))


def evidence_column(kind: str) -> str:
    """The column of the table `contact` that holds the live values of a kind of identifier."""
    return LIST_KINDS.get(kind, f"evidence_{kind}")


def load_contacts(bench: Workbench, settings: IdentitySettings, holders: str) -> None:
    """Write the table `contact`: for each content with live values to compare, the values by kind.

    Args:
        bench: a workbench.
        settings: which kinds are compared.
        holders: where the live values are: the table `holder`, or `LIVE`.
    """
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
            from {holders} group by content_no
        )
    """,
    )
