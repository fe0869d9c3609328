"""The model bundles in the state: which there are, which one is in use, and how one comes into use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from customer_profiles.errors import CustomerProfilesError
from customer_profiles.identity.model.bundle import ModelBundle, shipped_priors
from customer_profiles.identity.tables import model, model_promotion
from customer_profiles.state.schema import from_json, to_json
from customer_profiles.state.sequences import reserve

PRIORS = 0
"""The version that stands for the priors that ship with the package."""
_TRIAL = "identity_model_on_trial"


class ModelError(CustomerProfilesError):
    """A model that is not there, or cannot be promoted."""


@dataclass(frozen=True)
class ModelInUse:
    """The bundle that scores, and its version; 0 for the shipped priors."""

    version: int
    bundle: ModelBundle


@dataclass(frozen=True)
class StoredModel:
    """One version, as the table keeps it; its bundle is not read.

    Attributes:
        version: Its number.
        status: candidate, promoted or retired.
        created_at: When it was trained (micros).
        splink_version: The Splink that it was made for.
        size: Bytes of the bundle.
        metrics: What training measured.
        promoted_at: When it last came into use (micros); None when it never did.
    """

    version: int
    status: str
    created_at: int
    splink_version: str
    size: int
    metrics: Mapping[str, float]
    promoted_at: int | None


def promoted_version(connection: sa.Connection) -> int:
    """The version of the model in use, 0 when none is promoted; the one on trial where a connection says so.

    A version that was put in use stays so when its row is lost: the priors never serve in its place unasked.
    """
    trial = connection.get_execution_options().get(_TRIAL)
    if trial is not None:
        return int(trial)
    version = connection.execute(
        sa.select(model.c.version).where(model.c.status == "promoted")
    ).scalar_one_or_none()
    if version is None:
        version = _put_in_use_last(connection)
    return PRIORS if version is None else int(version)


def on_trial(connection: sa.Connection, version: int) -> sa.Connection:
    """Let this connection, and no other, see a version as the one in use: a generation that is being built needs it."""
    return connection.execution_options(**{_TRIAL: version})


def model_in_use(connection: sa.Connection) -> ModelInUse:
    """The promoted bundle, else the priors that ship with the package.

    Raises:
        BundleError: The promoted bundle cannot be read, or was made for another Splink.
        ModelError: The promoted model is not in the state any more.
    """
    version = promoted_version(connection)
    try:
        return read_model(connection, version)
    except ModelError:
        raise ModelError(
            f"Identity model {version} is in use, but is not in the state any more. Nothing was changed: other weights "
            "would join other records. Restore the state from a backup."
        ) from None


def read_model(connection: sa.Connection, version: int) -> ModelInUse:
    """One version with its bundle; 0 for the priors that ship with the package.

    Raises:
        BundleError: The bundle cannot be read, or was made for another Splink.
        ModelError: There is no such version.
    """
    if version == PRIORS:
        return ModelInUse(PRIORS, shipped_priors())
    content = connection.execute(
        sa.select(model.c.bundle).where(model.c.version == version)
    ).scalar_one_or_none()
    if content is None:
        raise ModelError(
            f"There is no identity model {version}: `customer-profiles identity model list` shows those there are."
        )
    return ModelInUse(version, ModelBundle.from_bytes(bytes(content)))


def stored_models(connection: sa.Connection) -> list[StoredModel]:
    """Every version, the newest first."""
    promoted = (
        sa.select(model_promotion.c.version, sa.func.max(model_promotion.c.promoted_at).label("at"))
        .group_by(model_promotion.c.version)
        .subquery()
    )
    rows = connection.execute(
        sa.select(
            model.c.version,
            model.c.status,
            model.c.created_at,
            model.c.splink_version,
            sa.func.length(model.c.bundle),
            model.c.metrics,
            promoted.c.at,
        )
        .outerjoin(promoted, promoted.c.version == model.c.version)
        .order_by(model.c.version.desc())
    )
    return [
        StoredModel(version, status, at, splink, size, from_json(metrics), promoted_at)
        for version, status, at, splink, size, metrics, promoted_at in rows
    ]


def newest_candidate(connection: sa.Connection) -> int | None:
    """The candidate trained last, None when there is none."""
    version: int | None = connection.execute(
        sa.select(sa.func.max(model.c.version)).where(model.c.status == "candidate")
    ).scalar_one()
    return version


def version_before(connection: sa.Connection) -> int | None:
    """The version that was in use before the one that is now; None when there was none."""
    current = promoted_version(connection)
    promotions = connection.execute(
        sa.select(model_promotion.c.version).order_by(model_promotion.c.promotion_no.desc())
    ).scalars()
    before = next((int(version) for version in promotions if version != current), None)
    # Before the first promotion the priors served.
    return PRIORS if before is None and current != PRIORS else before


def rolled_back_to_priors(connection: sa.Connection) -> bool:
    """Whether the priors serve because somebody went back to them; a new model waits to be promoted then."""
    return _put_in_use_last(connection) == PRIORS


def _put_in_use_last(connection: sa.Connection) -> int | None:
    """The version that was put in use last, 0 for the priors; None when none ever was."""
    return connection.execute(
        sa.select(model_promotion.c.version).order_by(model_promotion.c.promotion_no.desc()).limit(1)
    ).scalar_one_or_none()


def store_candidate(
    connection: sa.Connection,
    bundle: ModelBundle,
    created_at: int,
    metrics: Mapping[str, float] | None = None,
) -> int:
    """Store a bundle as the next version, for now as a candidate.

    Args:
        connection: Writing to the state store.
        bundle: What was trained.
        created_at: Now (micros).
        metrics: What training measured, where that is more than the bundle says.

    Returns:
        The version.
    """
    newest = connection.execute(sa.select(sa.func.max(model.c.version))).scalar_one()
    version: int = (newest or PRIORS) + 1
    connection.execute(
        model.insert().values(
            version=version,
            status="candidate",
            bundle=bundle.to_bytes(),
            metrics=to_json(dict(bundle.metrics if metrics is None else metrics)),
            created_at=created_at,
            splink_version=bundle.splink_version,
        )
    )
    return version


def put_in_use(
    connection: sa.Connection, version: int, promoted_at: int, generation: int | None = None
) -> None:
    """Make a stored version the one in use, and the one that was, retired.

    Args:
        connection: Writing to the state store.
        version: The version; 0 for the priors.
        promoted_at: Now (micros).
        generation: The generation that was built with it and becomes live in the same transaction; None when the next
            batch is to take the model up.
    """
    connection.execute(model.update().where(model.c.status == "promoted").values(status="retired"))
    connection.execute(model.update().where(model.c.version == version).values(status="promoted"))
    connection.execute(
        model_promotion.insert().values(
            promotion_no=reserve(connection, "model_promotion"),
            version=version,
            generation=generation,
            promoted_at=promoted_at,
        )
    )


def promote(connection: sa.Connection, bundle: ModelBundle, created_at: int) -> int:
    """Store a bundle as the next version and put it in use at once: for the first model, before there are customers.

    Args:
        connection: Writing to the state store.
        bundle: What was trained.
        created_at: Now (micros).

    Returns:
        The version.
    """
    version = store_candidate(connection, bundle, created_at)
    put_in_use(connection, version, created_at)
    return version
