"""Names a process so that another one on the same machine can tell at once that it is gone.

Where that cannot be told, as of a process on another machine or in another container, nobody is called gone.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

_PROC = Path("/proc")
_STATE, _STARTED = 0, 19
"""Fields of `/proc/PID/stat` after the name in brackets: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html"""


def this_process() -> str:
    """A name of this process, different from that of every other one; the empty text where there is no /proc."""
    return _name(os.getpid())


def is_gone(name: str) -> bool:
    """Whether a process of this machine has certainly ended.

    Args:
        name: What `this_process` gave in it.
    """
    place, _, rest = name.rpartition("/")
    place, _, number = place.rpartition("/")
    if not place or place != _place():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # somebody else's, but there
    found = _stat(int(number))
    # One that was killed and that its parent did not look after yet; or another one that has its number now.
    return found is not None and (found[_STATE] in ("Z", "X") or found[_STARTED] != rest)


@lru_cache(maxsize=1)
def _name(number: int) -> str:
    place, found = _place(), _stat(number)
    return f"{place}/{number}/{found[_STARTED]}" if place and found else ""


def _place() -> str:
    """Where process numbers mean the same: a machine since it was started, and a container in it."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink(_PROC / 'self/ns/pid')}"
    except OSError:
        return ""


def _stat(number: int) -> list[str] | None:
    try:
        # The name of a program may hold spaces and brackets.
        return (_PROC / str(number) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
