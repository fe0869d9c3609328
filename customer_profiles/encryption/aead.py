"""Seals single values with AES-256-GCM, bound to the place where they belong."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from customer_profiles.encryption.errors import SealBroken

_VERSION = b"\x01"
_NONCE_BYTES = 12


class Aead:
    """Seals and opens with one key. A sealed value is: version (1 byte), nonce (12), ciphertext, tag (16)."""

    def __init__(self, key: bytes) -> None:
        """Take a key of 32 bytes, one that is used for nothing else."""
        if len(key) != 32:
            raise ValueError("AES-256 needs a key of 32 bytes")
        self._cipher = AESGCM(key)

    def seal(self, plain: bytes, context: str) -> bytes:
        """Seal a value.

        Args:
            plain: what to hide.
            context: where it belongs, such as `quarantine/17`; it opens only when the same is said again.
        """
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, plain, _VERSION + context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """What was sealed.

        Raises:
            SealBroken: it was changed, or sealed for another context, or with another key.
        """
        nonce, hidden = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        if sealed[:1] != _VERSION or len(nonce) != _NONCE_BYTES:
            raise SealBroken(f"What is stored as {context} is not a sealed value of this version.")
        try:
            return self._cipher.decrypt(nonce, hidden, _VERSION + context.encode())
        except InvalidTag:
            raise SealBroken(
                f"The sealed value of {context} does not open: it was changed, or `state.key` is new."
            ) from None
