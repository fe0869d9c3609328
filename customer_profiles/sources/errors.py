"""The one error of a source."""

from customer_profiles.errors import CustomerProfilesError


class SourceError(CustomerProfilesError):
    """A source cannot be read: it cannot be reached, or is not what the settings say. Its cursor stays where it is."""
