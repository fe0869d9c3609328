"""The memory of a process that lives long: what was let go of is given back, and not kept for what may come."""

from __future__ import annotations

import time

import pyarrow as pa

EVERY_SECONDS = 60.0


class Memory:
    """Gives back what is not used, now and then."""

    def __init__(self) -> None:
        """Let Arrow have its memory from where Python and SQLite have theirs.

        Its own allocator keeps more of what it is given back: beside a million customers a tenth of a gigabyte.
        """
        own, system = pa.default_memory_pool(), pa.system_memory_pool()
        self._pools = own, system  # some of what Arrow computes stays with its own
        self._again_at = 0.0
        pa.set_memory_pool(system)

    def tidy(self) -> None:
        """Call it when nothing waits: it takes some milliseconds once a minute."""
        if (now := time.monotonic()) >= self._again_at:
            for pool in self._pools:
                pool.release_unused()
            self._again_at = now + EVERY_SECONDS
