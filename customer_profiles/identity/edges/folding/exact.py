"""Arrow data that stays, apart from what comes and goes: in memory of just its size, from the system."""

from __future__ import annotations

import pyarrow as pa


def exact_table(table: pa.Table) -> pa.Table:
    """The table in one piece.

    What Arrow computes has room to grow, and lies among what is let go of soon: the memory between them would stay taken.
    """
    table = table.combine_chunks()
    counted = pa.MockOutputStream()
    with pa.ipc.new_stream(counted, table.schema) as writer:
        writer.write_table(table)
    whole = pa.allocate_buffer(counted.size(), memory_pool=pa.system_memory_pool())
    with (
        pa.FixedSizeBufferWriter(whole) as sink,
        pa.ipc.new_stream(sink, table.schema) as writer,
    ):
        writer.write_table(table)
    return pa.ipc.open_stream(whole).read_all()


def exact(array: pa.Array) -> pa.Array:
    """As `exact_table`, of a column."""
    return exact_table(pa.table({"": array})).column(0).chunk(0) if len(array) else array
