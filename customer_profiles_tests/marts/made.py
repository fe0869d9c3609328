"""Rows as the floors below leave them, for the marts' tests."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from customer_profiles.cleaning.tables import interaction, record
from customer_profiles.identity.tables import customer, identity_event, member
from customer_profiles.settings import Settings, settings_from_text
from customer_profiles.state.bulk import delete_rows, insert_rows, upsert_rows
from customer_profiles.state.engine import State
from customer_profiles.state.schema import to_json
from customer_profiles.state.sequences import reserve

SETTINGS = """
company: Test company
defaults: {currency: GBP, phone_region: GB}
sources:
  crm:
    trust: 90
    connector: {type: database, url: "sqlite:///crm.db"}
    feeds:
      contacts:
        contract: record
        table: contacts
        key: id
        fields:
          source_key: id
          given_name: first_name
          preferences: {newsletter: newsletter}
          external_ids: {user_id: uid}
        extra: {points: points}
  web:
    trust: 10
    connector: {type: files, folder: web}
    feeds:
      identify: {contract: record, files: "*.jsonl", fields: {source_key: userId}}
      events:
        contract: interaction
        files: "*.jsonl"
        fields:
          event_id: messageId
          record_key: userId
          type: event
          channel: channel
          occurred_at: timestamp
          properties: {category: category, topic: topic, sentiment: sentiment}
traits:
  points: {description: Points., source: extra.points, type: number, class: behavioural, purposes: [support]}
"""


def settings(
    segments: Mapping[str, str] | None = None,
    lengths: Sequence[str] | None = None,
    properties: Sequence[str] = (),
) -> Settings:
    """The test company's settings, with segments by name, windows by length and counted properties."""
    windows: dict[str, Sequence[str]] = {"properties": properties}
    if lengths is not None:
        windows["lengths"] = lengths
    lines = [f"  {name}: {{when: {to_json(when)}}}" for name, when in (segments or {}).items()]
    return _read(
        SETTINGS
        + f"windows: {to_json(windows)}\n"
        + "".join(["segments:\n", "\n".join(lines), "\n"] if lines else [])
    )


@cache
def _read(text: str) -> Settings:
    """Histories ask for the same settings at every step."""
    return settings_from_text(text, Path("customer_profiles.yaml"))


def interactions(state: State, given: Iterable[Mapping[str, Any]]) -> None:
    """Put interactions into the state as ingest does, in this order."""
    rows = []
    with state.writing() as conn:
        for one in given:
            number = reserve(conn, "interaction")
            properties = to_json(one["properties"]) if "properties" in one else None
            rows.append(
                (
                    number,
                    "web",
                    one.get("event_id", f"e{number}"),
                    one["record_no"],
                    one["type"],
                    one.get("channel"),
                    one["occurred_at"],
                    one["occurred_at"],
                    one.get("value"),
                    one.get("currency"),
                    properties,
                )
            )
        insert_rows(conn, interaction, [column.name for column in interaction.columns], rows)


def records(state: State, given: Iterable[Mapping[str, Any]]) -> None:
    """Put records into the state, or change them."""
    with state.writing() as conn:
        for one in given:
            row = {
                "source": "crm",
                "source_key": f"k{one['record_no']}",
                "incarnation": 0,
                "source_version": 1,
            }
            row |= {"received_at": 1, **one}
            row = {
                name: to_json(value) if isinstance(value, list | dict) else value
                for name, value in row.items()
            }
            changing = [name for name in row if name != "record_no"]
            upsert_rows(conn, record, list(row), [tuple(row.values())], key="record_no", replace=changing)


def customers(state: State, members: Mapping[int, Sequence[int]], generation: int = 1) -> None:
    """Say which records are which customer, as resolve does; a customer without records is gone."""
    with state.writing() as conn:
        for customer_no, record_nos in members.items():
            number = reserve(conn, "customer_change")
            delete_rows(conn, member, ("generation", "record_no"), [(generation, one) for one in record_nos])
            conn.execute(
                member.delete().where(member.c.generation == generation, member.c.customer_no == customer_no)
            )
            insert_rows(
                conn,
                member,
                ("generation", "record_no", "customer_no"),
                [(generation, record_no, customer_no) for record_no in record_nos],
            )
            upsert_rows(
                conn,
                customer,
                ("generation", "customer_no", "size", "changed_no"),
                [(generation, customer_no, len(record_nos), number)],
                key=("generation", "customer_no"),
                replace=("size", "changed_no"),
            )


def event(state: State, kind: str, customer_no: int, others: Sequence[int] = ()) -> int:
    """Tell an identity event; returns its number."""
    with state.writing() as conn:
        number = reserve(conn, "identity_event")
        names = (
            "event_no",
            "generation",
            "kind",
            "customer_no",
            "others",
            "cause_kind",
            "cause",
            "committed_at",
        )
        row = (number, 1, kind, customer_no, to_json(list(others)), "record", "{}", 1)
        insert_rows(conn, identity_event, names, [row])
    return number


def drain(stage: Any, limit: int = 1_000) -> list[Any]:
    """Advance a stage until nothing is left."""
    results = [stage.advance(limit)]
    while results[-1].more:
        results.append(stage.advance(limit))
    return results
