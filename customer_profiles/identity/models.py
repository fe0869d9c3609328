"""The model bundles in the state: which one is promoted, and how one becomes it."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from customer_profiles.identity.bundle import ModelBundle, shipped_priors
from customer_profiles.identity.tables import model
from customer_profiles.state.schema import to_json

PRIORS = 0
"""The version that stands for the priors that ship with the package."""


@dataclass(frozen=True)
class ModelInUse:
    """The bundle that scores, and its version; 0 for the shipped priors."""

    version: int
    bundle: ModelBundle


def promoted_version(connection: sa.Connection) -> int:
    """The version of the promoted model, 0 when none is."""
    version = connection.execute(
        sa.select(model.c.version).where(model.c.status == "promoted")
    ).scalar_one_or_none()
    return PRIORS if version is None else int(version)


def model_in_use(connection: sa.Connection) -> ModelInUse:
    """The promoted bundle, else the priors that ship with the package.

    Raises:
        BundleError: The promoted bundle cannot be read, or was made for another Splink.
    """
    version = promoted_version(connection)
    if version == PRIORS:
        return ModelInUse(PRIORS, shipped_priors())
    content = connection.execute(sa.select(model.c.bundle).where(model.c.version == version)).scalar_one()
    return ModelInUse(version, ModelBundle.from_bytes(bytes(content)))


def promote(connection: sa.Connection, bundle: ModelBundle, created_at: int) -> int:
    """Store a bundle as the next version and make it the one in use.

    Args:
        connection: Writing to the state store.
        bundle: What was trained.
        created_at: Now (micros).

    Returns:
        The version.
    """
    newest = connection.execute(sa.select(sa.func.max(model.c.version))).scalar_one()
    version = (newest or PRIORS) + 1
    connection.execute(model.update().where(model.c.status == "promoted").values(status="retired"))
    connection.execute(
        model.insert().values(
            version=version,
            status="promoted",
            bundle=bundle.to_bytes(),
            metrics=to_json(dict(bundle.metrics)),
            created_at=created_at,
            splink_version=bundle.splink_version,
        )
    )
    return version
