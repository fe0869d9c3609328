"""The right name that someone probably meant by a wrong one."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(wrong: str, right: Iterable[str]) -> str | None:
    """The right name that is most like a wrong one, or None when none is."""
    folded = {name.lower(): name for name in right}
    close = get_close_matches(wrong.lower(), folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else None
