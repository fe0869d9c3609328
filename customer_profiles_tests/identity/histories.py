"""Random histories on the real stage: one by one, in batches, rebuilt. `python -m` runs as many as asked for (`make soak`)."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy as sa

from customer_profiles.identity.decisions.decisions import DecisionKind, decide, undo
from customer_profiles.identity.edges import parts_read
from customer_profiles.identity.evaluation.verify import verify_all
from customer_profiles.identity.resolve import ResolveStage
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State
from customer_profiles.state.generations import begin_generation, promote_generation
from customer_profiles.state.migrate import migrate
from customer_profiles.state.schema import METADATA, Store
from customer_profiles.state.tables import sequences
from customer_profiles_tests.conftest import Engine
from customer_profiles_tests.identity.made import resolve_by, settings_with, take_in
from customer_profiles_tests.postgres_server import start_postgres

Fields = dict[str, Any]
RECORDS = 8
STEPS = 14
FAMILIES = [("lindqvist", "LS1 4AP", "Leeds"), ("okafor", "EX2 8QT", "Exeter")]
FIRST = ["anna", "Anna", "boris", "dorothea", ""]
DATES = ["1971-03-05", "1988-12-24"]
IDENTITY = {
    "identifiers": {
        "email": {"cap": 2},
        "phone": {"cap": 3},
        "user_id": {"cap": 3, "exclusive": True},
        "anonymous_id": {"cap": 3},
        "social_handle": {"cap": 1},
        "device_id": {"cap": 2},
    },
    "generic_values": {"email": ["info@*"], "device_id": ["0"]},
    "blocking_cap": 4,
}
"""Caps so low that every history crosses them all, up and down."""
FOLDED = {"WORTH_FOLDING": 2, "SHELF_ROWS": 6, "WORTH_A_BOOK": 2}
"""What `identity.edges.parts_read` folds from: so little that every history stays in memory folded."""
FACTS = ("claim", "estate", "decision", "superseded_record")
GRAPH = ("edge", "review_pair", "member", "resolved_record")


def someone(chance: random.Random) -> Fields:
    """A person of whom little is known, and much of that shared with others."""
    family, postcode, city = chance.choice(FAMILIES)
    first = chance.choice(FIRST)
    told: Fields = {}

    def perhaps(share: float, name: str, value: Any) -> None:
        if chance.random() < share:
            told[name] = value

    perhaps(0.8, "given_name", first)
    perhaps(0.8, "family_name", family)
    perhaps(0.6, "birth_date", chance.choice(DATES))
    perhaps(0.5, "postcode", postcode)
    perhaps(0.3, "city", city)
    perhaps(0.2, "address_line", chance.choice(["1 High Street", "2 High Street"]))
    emails = ["anna@example.com", "b@example.com", "info@example.com"]
    perhaps(0.5, "emails", chance.sample(emails, chance.randint(1, 2)))
    perhaps(0.3, "phones", [f"+44163296000{chance.randint(0, 2)}"])
    ids: dict[str, list[str]] = {}
    for kind, share, values in (
        ("user_id", 0.3, ["p", "q", "guest"]),
        ("anonymous_id", 0.4, "vw"),
        ("social_handle", 0.2, "s"),
        ("device_id", 0.4, "de0"),
    ):
        if chance.random() < share:
            ids[kind] = sorted(chance.sample(values, min(len(values), chance.randint(1, 2))))
    perhaps(1.0 if ids else 0.0, "external_ids", ids)
    perhaps(0.3, "extra", {"occupation": chance.choice(["smith", "baker"])})
    return told


@dataclass
class Story:
    """What happens, step by step: the same for the same seed."""

    chance: random.Random
    people: dict[str, Fields | None] = field(default_factory=dict)
    decided: int = 0

    def next(self) -> list[tuple[str, Any]]:
        """What happens next: mostly one thing."""
        chance = self.chance
        key = f"r{chance.randrange(RECORDS)}"
        living = sorted(one for one, fields in self.people.items() if fields is not None)
        kind = chance.random()
        if kind < 0.35 or len(living) < 4:
            return [self._put(key, someone(chance))]
        one, other = chance.sample(living, 2)
        mine, theirs = self.people[one] or {}, self.people[other] or {}
        if kind < 0.45:  # a copy
            return [self._put(one, dict(theirs))]
        if kind < 0.55:  # one field more or less
            name = chance.choice(sorted({*mine, *theirs}) or ["given_name"])
            changed = {**mine, name: theirs.get(name)}
            return [self._put(one, {field: value for field, value in changed.items() if value is not None})]
        if kind < 0.60:  # something that identity does not look at
            return [self._put(one, {**mine, "language": chance.choice(["en", "de", "fr"])})]
        if kind < 0.65:  # written otherwise, the same once normalised
            name = str(mine.get("given_name", "")).swapcase() or "ANNA"
            return [self._put(one, {**mine, "given_name": name})]
        if kind < 0.80:
            return [self._put(one, None)]
        if kind < 0.85:  # gone and back
            return [self._put(one, None), self._put(one, chance.choice([mine, someone(chance)]))]
        if kind < 0.95 or not self.decided:
            self.decided += 1
            sides = chance.sample(sorted(self.people), 4)
            size = chance.randint(1, 2)
            kinds = chance.choice(list(DecisionKind))
            return [
                ("decide", (kinds, f"d{self.decided}", sides[:size], sides[2 : 2 + chance.randint(1, 2)]))
            ]
        return [("undo", f"d{chance.randint(1, self.decided)}")]

    def _put(self, key: str, fields: Fields | None) -> tuple[str, Any]:
        self.people[key] = fields
        return "put", (key, fields)


def happen(state: State, kind: str, what: Any, at: int) -> None:
    """Let one thing happen in a state."""
    if kind == "put":
        take_in(state, [what], at)
        return
    with state.writing() as connection:
        if kind == "undo":
            query = "SELECT count(*) FROM decision WHERE decision_id = :id AND undone_at IS NULL"
            if connection.execute(sa.text(query), {"id": what}).scalar_one():
                undo(connection, what, at)
            return
        decision, name, *sides = what
        rows = connection.execute(sa.text("SELECT source_key, record_no FROM record"))
        numbers: dict[str, int] = dict(tuple(row) for row in rows)
        decide(
            connection,
            decision,
            *([numbers[key] for key in side] for side in sides),
            by="steward",
            reason="seen",
            decided_at=at - at % 3_000_000,  # some at the same moment
            decision_id=name,
        )


def empty(state: State) -> None:
    """Take everything out of the state store; numbers go on, so that what a stage keeps in memory is never taken for new."""
    with state.writing() as connection:
        for table in reversed(METADATA[Store.STATE].sorted_tables):
            if table is not sequences[Store.STATE]:
                connection.execute(table.delete())


def rows_of(
    state: State, tables: tuple[str, ...], generation: int | None = None
) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of tables, sorted; of one generation without its number."""
    found = {}
    with state.reading() as connection:
        for name in tables:
            table = METADATA[Store.STATE].tables[name]
            columns = [column for column in table.columns if column.name != "generation"]
            query = sa.select(*columns)
            if generation is not None:
                query = query.where(table.c.generation == generation)
            found[name] = sorted((tuple(row) for row in connection.execute(query)), key=repr)
    return found


class Differs(AssertionError):
    """Two ways to the same knowledge that give different graphs."""


class Histories:
    """Histories on two states that are used again and again: in one everything is resolved step by step, in the other in batches."""

    def __init__(self, one_by_one: State, batched: State, settings: Settings) -> None:
        self._states, self._settings = (one_by_one, batched), settings
        # Kept from history to history, as a long-lived worker would.
        self._stages = [ResolveStage(state, settings) for state in self._states]

    def run(self, seed: int, steps: int) -> None:
        """Let one history happen, and hold both states to each other and to what a rebuild gives.

        Raises:
            Differs: With the seed and the step.
        """
        story, chance = Story(random.Random(seed)), random.Random(f"batches of {seed}")
        for state in self._states:
            empty(state)
        at, generation = 0, 1
        for step in range(1, steps + 1):
            for kind, what in story.next():
                at += 1
                for state in self._states:
                    happen(state, kind, what, at * 1_000_000)
                resolve_by(self._stages[0])
            if step < steps and chance.random() > 0.2:
                continue
            resolve_by(self._stages[1])
            if step == steps or chance.random() < 0.1:
                generation = _rebuild(self._states[1], self._settings) if step < steps else generation
                self._check_both(seed, step, generation)
                for state in self._states:
                    self._verify(state, seed, step)
            self._check_both(seed, step, generation)

    def _check_both(self, seed: int, step: int, generation: int) -> None:
        one, other = self._states
        for tables, mine, theirs in ((FACTS, None, None), (GRAPH, 1, generation)):
            expected, found = rows_of(one, tables, mine), rows_of(other, tables, theirs)
            for table in tables:
                if found[table] != expected[table]:
                    lacks, has = (
                        set(expected[table]) - set(found[table]),
                        set(found[table]) - set(expected[table]),
                    )
                    raise Differs(
                        f"history {seed}, step {step}: {table} in batches lacks {lacks} and has {has}"
                    )

    def _verify(self, state: State, seed: int, step: int) -> None:
        with state.reading() as connection:
            found = verify_all(connection, self._settings.identity, lambda *_: None)
        if not found.holds:
            way = "one by one" if state is self._states[0] else "in batches"
            raise Differs(f"history {seed}, step {step}, {way}: a rebuild differs: {found.differences[:5]}")


def _rebuild(state: State, settings: Settings) -> int:
    with state.writing() as connection:
        generation = begin_generation(connection)
    resolve_by(ResolveStage(state, settings, generation))
    with state.writing() as connection:
        promote_generation(connection, generation, {})
    return generation


@contextmanager
def states(engine: Engine) -> Iterator[tuple[State, State]]:
    """Two empty states on an engine of their own."""
    with TemporaryDirectory() as folder, ExitStack() as opened:
        if engine == "sqlcipher":
            urls = [f"sqlite:{folder}/{name}" for name in ("one", "two")]
        else:
            server = opened.enter_context(start_postgres())
            urls = [server.create_database(name) for name in ("one", "two")]
        one, two = (
            opened.enter_context(State.open(url, lambda name: sha256(name.encode()).digest())) for url in urls
        )
        for state in (one, two):
            migrate(state)
        yield one, two


def main(count: int, first: int, engine: Engine) -> int:
    """Run histories; tell each that differs, and in the end how many did."""
    differing = 0
    for name, value in FOLDED.items():
        setattr(parts_read, name, value)
    with states(engine) as both:
        histories = Histories(*both, settings_with(Path(), **IDENTITY))
        for seed in range(first, first + count):
            try:
                histories.run(seed, STEPS)
            except Differs as difference:
                differing += 1
                print(difference, flush=True)
            if seed % 100 == 0:
                print(f"{engine}: up to history {seed}, {differing} differ", flush=True)
    print(f"{engine}: {count} histories, {differing} differ", flush=True)
    return int(differing > 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))  # type: ignore[arg-type]
