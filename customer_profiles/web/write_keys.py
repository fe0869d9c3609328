"""Write keys: which source the events of a request belong to."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from collections.abc import Mapping

from customer_profiles.encryption.keys import KeyProvider
from customer_profiles.errors import CustomerProfilesError
from customer_profiles.settings import Settings, WriteKeyVariable
from customer_profiles.sources.inbox import collector_sources
from customer_profiles.web.refusals import Refused

_SHORTEST = 8


class WriteKeyError(CustomerProfilesError):
    """A write key cannot be had, or does not tell its source."""


def load_write_keys(
    settings: Settings, keys: KeyProvider, environment: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Each write key and its source.

    Raises:
        WriteKeyError: there is no source of the collector, a variable is not set, or two sources share a key.
    """
    sources = collector_sources(settings)
    if not sources:
        raise WriteKeyError(
            "No source has `connector: {type: collector}`, so there is nobody to take events for: "
            "add one to the settings, as docs/collector.md shows."
        )
    found: dict[str, str] = {}
    for source, connector in sources.items():
        for reference in connector.write_keys:
            if isinstance(reference, WriteKeyVariable):
                key = environment.get(reference.variable, "")
                if len(key) < _SHORTEST:
                    raise WriteKeyError(
                        f"The environment variable {reference.variable} with a write key of {source} is not set, or has "
                        f"less than {_SHORTEST} characters."
                    )
            else:
                key = keys.key(f"write_key/{source}")[:16].hex()
            if found.setdefault(key, source) != source:
                raise WriteKeyError(
                    f"{found[key]} and {source} have the same write key: give each one of its own."
                )
    return found


def source_of(write_keys: Mapping[str, str], authorization: str | None, in_body: object) -> str:
    """The source of a request.

    Args:
        write_keys: Each write key and its source.
        authorization: The header; with basic auth the user is the write key.
        in_body: The body's `writeKey`, which browsers send instead.

    Raises:
        Refused: no write key is given, or none that is known.
    """
    given = _of_header(authorization) or (in_body if isinstance(in_body, str) else None)
    if not given:
        raise Refused(
            401, "no_write_key", "There is no write key: send it as the user of basic auth, or as `writeKey`."
        )
    for key, source in write_keys.items():
        if hmac.compare_digest(key.encode(), given.encode("utf-8", "replace")):
            return source
    raise Refused(401, "unknown_write_key", "The write key is not known here.")


def _of_header(authorization: str | None) -> str | None:
    scheme, _, credentials = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return None
