"""What a rule over several parts of the settings finds."""

from dataclasses import dataclass

from customer_profiles.settings.errors import Key


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that is broken."""

    key: Key
    what: str
    """To follow the key in a sentence."""
    nearest: str | None = None
    about: tuple[Key, ...] = ()
    """Other places it rests on: when one of them is wrong itself, the finding is not told."""
