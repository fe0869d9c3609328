"""The one error of a settings file: every problem at once, each with its line, key and what to do."""

from dataclasses import dataclass
from pathlib import Path

from customer_profiles.errors import CustomerProfilesError

Key = tuple[str | int, ...]
"""Where a value stands in the file: ("sources", "crm", "trust")."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a settings file."""

    line: int
    """Counted from 1."""
    key: Key
    what: str
    """What is wrong, and what to do."""
    nearest: str | None = None
    """The right name that is most like the wrong one."""

    def __str__(self) -> str:
        hint = f": did you mean {self.nearest}?" if self.nearest else ""
        return f"line {self.line}: {dotted(self.key) or 'the file'} {self.what}{hint}"


class SettingsError(CustomerProfilesError):
    """A settings file cannot be used."""

    def __init__(self, message: str, file: Path | None = None, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message)
        self.file = file
        self.problems = problems

    @classmethod
    def of(cls, file: Path, problems: list[Problem]) -> "SettingsError":
        """The error that tells of all problems of a file, in the order of its lines."""
        ordered = tuple(sorted(problems, key=lambda problem: (problem.line, dotted(problem.key))))
        if len(ordered) == 1:
            return cls(f"{file}, {ordered[0]}", file, ordered)
        lines = "".join(f"\n  {problem}" for problem in ordered)
        return cls(f"{file} has {len(ordered)} problems:{lines}", file, ordered)


def dotted(key: Key) -> str:
    """A key as people write it: `sources.crm.feeds.contacts.fields.emails[1]`."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
