"""A consent statement: what one record said about one purpose, and when."""

import hashlib
from dataclasses import dataclass

from customer_profiles.contracts.statement import Choice


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, as the ledger keeps it.

    Attributes:
        record_no: Arrival number of the record that spoke.
        source: Source that delivered the statement.
        source_key: Key of the record in that source.
        purpose: Name of the purpose (ISO/IEC TS 27560 ``purpose``).
        choice: One of :class:`~customer_profiles.contracts.statement.Choice` (``event_state``). Any other
            text counts as a refusal.
        stated_at: When it was said, micros (``event_time``).
        received_at: When it reached us, micros.
        method: How it was collected, such as "web form" (``collection_method``).
        notice: Name and version of the privacy notice that was shown (``privacy_notice``).
        statement_id: The source's own number of the statement, where it has one.
    """

    record_no: int
    source: str
    source_key: str
    purpose: str
    choice: str
    stated_at: int
    received_at: int
    method: str | None = None
    notice: str | None = None
    statement_id: str | None = None

    @property
    def key(self) -> bytes:
        """What makes the statement the same one when it is delivered again.

        The choice and its time are part of it, not the source's number alone: a source that uses a number
        again for another choice has made another statement, and losing that one could lose a refusal.
        """
        parts = (self.source, self.source_key, self.statement_id or "", self.purpose, self.choice)
        text = "\x1f".join((*parts, str(self.stated_at)))
        return hashlib.blake2b(text.encode(), digest_size=16).digest()

    @property
    def made_at(self) -> int:
        """When the statement counts from: a source whose clock runs ahead cannot speak from the future."""
        return min(self.stated_at, self.received_at)

    @property
    def grants(self) -> bool:
        """Whether this says yes. Whatever is not plainly a yes is a no."""
        return self.choice == Choice.GRANTED
