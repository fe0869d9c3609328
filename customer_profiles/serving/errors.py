"""What can be wrong with a question for a profile. Messages never repeat the identifier asked for."""

from customer_profiles.errors import CustomerProfilesError


class ServingError(CustomerProfilesError):
    """A profile cannot be read."""


class UnknownCustomer(ServingError):
    """Nobody is known by the identifier."""

    exit_code = 1


class AmbiguousIdentifier(ServingError):
    """The identifier belongs to several customers, or to nobody in particular."""

    exit_code = 1
