"""Poison: a row that makes a batch fail for a reason that no contract foresees, again each time that it is tried."""

from __future__ import annotations

import logging
import traceback

import sqlalchemy as sa

from customer_profiles.errors import CustomerProfilesError

LOG = logging.getLogger(__name__)


def is_poison(error: Exception) -> bool:
    """Whether the same batch would fail the same way again, because of what one of its rows holds.

    A source or a state that is away, a full disk, a batch that another process did: these pass, and are no row's fault.
    """
    if isinstance(error, sa.exc.DataError | sa.exc.IntegrityError):
        return True
    return not isinstance(error, CustomerProfilesError | sa.exc.SQLAlchemyError | OSError | MemoryError)


def tell_of_poison(error: Exception, source: str) -> None:
    """Log where it failed. The words of the error may hold a value of a person, so only the places are told."""
    places = "".join(traceback.format_list(traceback.extract_tb(error.__traceback__)))
    LOG.error(
        "%s: a row of %s goes to the quarantine, for it cannot be taken:\n%s",
        type(error).__name__,
        source,
        places,
    )
