"""The steps before any pair is looked at, shared by training and scoring: contents, live identifiers,
atoms, keys.
"""

from collections.abc import Collection

import pyarrow as pa

from customer_profiles.identity.edges.blocking import BlockingRule, load_atoms, load_live_keys
from customer_profiles.identity.edges.features import IDENTIFIERS_A_KIND, extra_field, load_content
from customer_profiles.identity.edges.identifiers import evidence_column, evidence_kinds, load_holders
from customer_profiles.identity.edges.workbench import Workbench
from customer_profiles.settings.identity import IdentitySettings

CONTENT_FIELDS = ("name", "birth_date", "postcode", "city", "address_line", "region")
CONTACT_FIELDS = ("emails", "phones")


def prepare(
    bench: Workbench,
    records: pa.Table,
    extras: Collection[str],
    settings: IdentitySettings,
) -> tuple[str, ...]:
    """Load all records into a workbench: the tables `content`, `member`, `held`, `holder`, `hub`, `contact`.

    Returns:
        The kinds of identifiers, in the order of their support bits.
    """
    load_content(bench, records, extras)
    return load_holders(bench, settings, IDENTIFIERS_A_KIND)


def prepare_keys(
    bench: Workbench,
    kinds: Collection[str],
    rules: Collection[BlockingRule],
    settings: IdentitySettings,
) -> None:
    """Write the tables `atom` and `live_key` for a prepared workbench."""
    load_atoms(bench, rules)
    load_live_keys(bench, kinds, rules, settings.blocking_cap)


def distinct_values(bench: Workbench, extras: Collection[str], settings: IdentitySettings) -> dict[str, int]:
    """By column that can be compared: how many different values it has among the contents."""
    wanted = {comparison.value for comparison in settings.comparisons}
    columns = [name for name in CONTENT_FIELDS if name in wanted or name == "region"]
    if "extra" in wanted:
        columns += [extra_field(name) for name in extras]
    content = bench.execute(
        f"select {', '.join(f'count(distinct {name})' for name in columns) or '0'} from content"
    ).fetchall()[0]
    lists = [name for name in CONTACT_FIELDS if name in wanted]
    if "devices" in wanted:
        evidence = map(evidence_column, evidence_kinds(settings))
        lists += [column for column in evidence if column not in CONTACT_FIELDS]
    contact = bench.execute(
        f"select {', '.join(f'count(distinct {name}) filter (len({name}) > 0)' for name in lists) or '0'} from contact"
    ).fetchall()[0]
    return {
        **dict(zip(columns, map(int, content), strict=False)),
        **dict(zip(lists, map(int, contact), strict=False)),
    }


def compared_lists(settings: IdentitySettings) -> tuple[str, ...]:
    """The columns of the table `contact` that comparisons may read."""
    evidence = (evidence_column(kind) for kind in evidence_kinds(settings))
    return tuple(dict.fromkeys((*CONTACT_FIELDS, "email_names", *evidence)))
