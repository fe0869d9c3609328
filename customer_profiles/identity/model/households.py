"""Whether the people of one home can be told apart here: what decides if conflicting names and birth dates forbid a merge.

Among records of one person a wrong first name and a wrong birth date are accidents that hardly ever meet, so of those
who share a home about (names differ · dates differ / neither differs) differ in both. Where many more do, they are
relatives, and the conflict must forbid that they become one customer. Where hardly more do, they are one person's
garbled records, and forbidding would only lose them.
"""

from customer_profiles.identity.edges.comparisons import LOCATION
from customer_profiles.identity.edges.scoring import DATE_CONFLICT, NAME_CONFLICT
from customer_profiles.identity.edges.workbench import Workbench

ONE_PERSON = 1 / 3
"""From this share on, of those who differ in both, that accidents explain, the conflict forbids nothing."""
UNSEEN_RELATIVES = 2
"""Relatives taken for granted before any is seen, so that a handful of pairs decides nothing."""


def relatives_share_homes(bench: Workbench) -> bool:
    """Whether those who share a home but neither first name nor birth date are mostly different people.

    True where too little is known to say: a conflict forbids unless the records themselves speak against it.

    Args:
        bench: A workbench with the levels of all candidates, or of a random sample.
    """
    columns = {name for name, *_ in bench.execute("describe __splink__df_comparison_vectors").fetchall()}
    if not {"gamma_location", "gamma_birth_date"} <= columns:
        return True
    rows = bench.execute(f"""
        select fact_r, count(*) from __splink__df_comparison_vectors
        where content_no_l <> content_no_r and gamma_location = {len(LOCATION.levels)} and gamma_birth_date >= 0
        group by fact_r
    """).fetchall()
    pairs = {int(differing): int(count) for differing, count in rows}
    neither, both = pairs.get(0, 0), pairs.get(NAME_CONFLICT + DATE_CONFLICT, 0)
    accidents = pairs.get(NAME_CONFLICT, 0) * pairs.get(DATE_CONFLICT, 0) / max(neither, 1)
    return accidents < ONE_PERSON * (both + UNSEEN_RELATIVES)
