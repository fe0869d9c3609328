"""What can go wrong with keys and sealed values."""

from customer_profiles.errors import CustomerProfilesError


class EncryptionError(CustomerProfilesError):
    """A key cannot be had, or a sealed value not be opened."""


class KeyUnavailable(EncryptionError):
    """The master key is missing, malformed or not kept well enough."""


class SealBroken(EncryptionError):
    """A sealed value was changed, moved to another place, or sealed with another key."""
