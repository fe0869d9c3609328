"""The one hierarchy of errors a user can meet. Messages name the thing, what was wrong and what to do, never personal data."""

from typing import ClassVar


class CustomerProfilesError(Exception):
    """Something a user can mend; the command line prints it as one line, without a traceback."""

    exit_code: ClassVar[int] = 2
    """What the command line ends with: 2 for wrong use or settings, 1 for a finding."""
