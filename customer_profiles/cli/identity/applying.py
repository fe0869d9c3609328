"""What deciding, undoing and unmerging share: the preview as it is shown, and taking effect at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from customer_profiles.cli.output import err, say, show_table

if TYPE_CHECKING:
    import sqlalchemy as sa

    from customer_profiles.encryption.keys import KeyProvider
    from customer_profiles.identity.stewardship.masking import Sight
    from customer_profiles.identity.stewardship.preview import Preview
    from customer_profiles.settings import Settings

ByOption = Annotated[
    str, typer.Option("--by", envvar="CUSTOMER_PROFILES_STEWARD", help="Who decides: a name that is kept.")
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why: a sentence that is kept.")]
ApplyOption = Annotated[
    bool,
    typer.Option(
        "--apply/--no-apply", help="Bring customers and profiles up to date now, or leave it to the next run."
    ),
]

_TOLD = (
    "given_name",
    "family_name",
    "full_name",
    "birth_date",
    "emails",
    "phones",
    "postcode",
    "external_ids",
)
"""What is told of each record where customers are listed; `identity review --values` shows the rest."""


@dataclass(frozen=True)
class ShownPreview:
    """A preview with customers by their IDs, as `--json` prints it.

    Attributes:
        changes_nothing: Whether every record stays where it is.
        before: By customer ID its live records now.
        after: By customer ID its live records then.
        events: What happens to customers: merge, split, create, delete.
        ids: Where the IDs that lead to these customers lead, now and then.
        in_its_way: Decisions that say the opposite and are in force.
        waiting: Changes that wait to be resolved and that this preview does not know.
    """

    changes_nothing: bool
    before: Mapping[str, tuple[int, ...]]
    after: Mapping[str, tuple[int, ...]]
    events: tuple[Mapping[str, Any], ...]
    ids: tuple[Mapping[str, Any], ...]
    in_its_way: tuple[str, ...]
    waiting: int

    @property
    def records(self) -> frozenset[int]:
        """Every record of the customers that it shows."""
        return frozenset(one for records in self.after.values() for one in records)


def shown_preview(connection: sa.Connection, keys: KeyProvider, preview: Preview) -> ShownPreview:
    """A preview with the IDs that the world knows."""
    from customer_profiles.identity.claims.customer_ids import ids_of
    from customer_profiles.identity.claims.ids import CUSTOMER_ID_KEY

    numbers = {*preview.before, *preview.after, *(one.claim_no for one in preview.claims)}
    numbers |= {other for event in preview.events for other in event.others}
    id_of = {
        number: str(id_) for number, id_ in ids_of(connection, keys.key(CUSTOMER_ID_KEY), numbers).items()
    }
    return ShownPreview(
        changes_nothing=preview.changes_nothing,
        before={id_of[number]: records for number, records in preview.before.items()},
        after={id_of[number]: records for number, records in preview.after.items()},
        events=tuple(
            {
                "kind": event.kind.value,
                "customer_id": id_of[event.customer_no],
                "others": [id_of[other] for other in event.others],
            }
            for event in preview.events
        ),
        ids=tuple(
            {
                "customer_id": id_of[one.claim_no],
                "record_no": one.record_no,
                "inherited": one.inherited,
                "leads_to": None if one.before is None else id_of[one.before],
                "would_lead_to": None if one.after is None else id_of[one.after],
            }
            for one in preview.claims
        ),
        in_its_way=preview.in_its_way,
        waiting=preview.waiting,
    )


def show_preview(connection: sa.Connection, shown: ShownPreview, sight: Sight) -> None:
    """Print a preview: what happens, each customer with its records, and where IDs go."""
    if shown.waiting:
        say(
            (f"{shown.waiting:,} changes wait to be resolved, which this does not know: ", "yellow"),
            "customer-profiles run takes them in first.",
        )
    for decision_id in shown.in_its_way:
        say(
            ("Another decision says the opposite and is in force: ", "yellow"),
            f"customer-profiles identity undo {decision_id}",
        )
    if shown.changes_nothing:
        say("No customer would change.")
        return
    for event in shown.events:
        say((f"{event['kind']}: ", "bold"), _sentence(event))
    show_customers(connection, shown.after, sight)
    moved = [one for one in shown.ids if one["leads_to"] != one["would_lead_to"] or one["inherited"]]
    if moved:
        show_table(
            "Where IDs lead",
            ("ID", "of record", "", "now", "then"),
            [
                (
                    one["customer_id"],
                    str(one["record_no"]),
                    "inherited" if one["inherited"] else "",
                    one["leads_to"] or "nobody",
                    one["would_lead_to"] or "nobody",
                )
                for one in moved
            ],
        )


def show_customers(connection: sa.Connection, customers: Mapping[str, tuple[int, ...]], sight: Sight) -> None:
    """Print customers with what each of their records says."""
    from customer_profiles.identity.stewardship.record_facts import record_facts

    facts = record_facts(connection, {one for records in customers.values() for one in records}, sight)
    show_table(
        "Customers then",
        ("customer", "record", "source", "what it says"),
        [
            (
                customer if place == 0 else "",
                str(number),
                facts[number].source,
                "; ".join(facts[number].shown[field] for field in _TOLD if field in facts[number].shown),
            )
            for customer, records in customers.items()
            for place, number in enumerate(records)
        ],
    )


def bring_up_to_date(settings: Settings) -> None:
    """Resolve, and refresh what follows, as a run does without its sources.

    Raises:
        CustomerProfilesError: It cannot be done now; what was decided stays written and takes effect with the next run.
    """
    from customer_profiles.errors import CustomerProfilesError
    from customer_profiles.pipeline.build import open_pipeline

    try:
        with err.status("Bringing customers and profiles up to date …"), open_pipeline(settings) as house:
            for stage in house.derived():
                house.drain(stage)
    except CustomerProfilesError:
        say("The decision is written and takes effect with the next run: ", ("customer-profiles run", "bold"))
        raise


def write(settings: Settings, do: Callable[[sa.Connection], str]) -> str:
    """Do one thing in a transaction of the state, its tables brought up to date."""
    from customer_profiles.pipeline.build import open_pipeline

    with open_pipeline(settings) as house, house.state.writing() as connection:
        return do(connection)


def _sentence(event: Mapping[str, Any]) -> str:
    others = ", ".join(event["others"])
    sentences = {
        "merge": f"{event['customer_id']} takes in {others}",
        "split": f"{event['customer_id']} gives records to {others}",
        "create": f"{event['customer_id']} is new",
        "delete": f"{event['customer_id']} has no record left",
    }
    return sentences[event["kind"]]
