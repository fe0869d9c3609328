"""A model as it is published: everything that scoring needs, frozen, in one piece of bytes.

It holds no value in the clear: frequencies are kept by fingerprint. Only the names that stand for each
other (Bob, Robert) are words.
"""

import io
import json
import math
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import resources
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import splink

from customer_profiles.errors import CustomerProfilesError
from customer_profiles.identity.edges.blocking import BlockingRule
from customer_profiles.identity.edges.frequencies import Frequencies

FORMAT = 1

_DAMAGE = (
    zipfile.BadZipFile,
    KeyError,
    ValueError,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    zlib.error,
)
"""What reading a damaged archive raises: one byte can make it look encrypted, or packed in a way that nobody knows."""


class BundleError(CustomerProfilesError):
    """A model bundle that cannot be used."""


class Origin(StrEnum):
    """Where the numbers of a model come from."""

    TRAINED = "trained"
    PRIORS = "priors"


@dataclass(frozen=True)
class ModelBundle:
    """A model with all that belongs to it.

    Attributes:
        model: Splink's model JSON.
        extras: the extra attributes that the model knows, by name.
        rules: the blocking rules that find its candidates.
        frequencies: how rare values were when the model was made.
        aliases: columns token, alias: names that stand for each other.
        edge_threshold: from this weight on a pair is an edge, in bits.
        review_floor: from this weight on a pair goes to review, in bits.
        conflict_veto: whether other first name and other birth date together forbid that two records are one
            person, however strong their edge.
        origin: trained on the company's own records, or the priors that ship with the package.
        metrics: what training measured: records, candidates, expected matches, rounds, seconds.
        splink_version: the Splink that the model was made for.
    """

    model: dict[str, Any]
    extras: tuple[str, ...]
    rules: tuple[BlockingRule, ...]
    frequencies: Frequencies
    aliases: pa.Table
    edge_threshold: float
    review_floor: float
    conflict_veto: bool
    origin: Origin
    metrics: dict[str, float] = field(default_factory=dict)
    splink_version: str = splink.__version__

    def rare_columns(self) -> tuple[str, ...]:
        """The columns whose rare values weigh more, in order of their names."""
        levels = (
            level for comparison in self.model["comparisons"] for level in comparison["comparison_levels"]
        )
        return tuple(
            sorted({level["tf_adjustment_column"] for level in levels if "tf_adjustment_column" in level})
        )

    def match_weights(self) -> list[tuple[str, str, float]]:
        """Comparison, level and its weight in bits, from the greatest agreement down, comparison by comparison."""
        return [
            (
                comparison["output_column_name"],
                level["label_for_charts"],
                math.log2(level["m_probability"] / level["u_probability"]),
            )
            for comparison in self.model["comparisons"]
            for level in comparison["comparison_levels"]
            if not level.get("is_null_level")
        ]

    def to_bytes(self) -> bytes:
        """The bundle as bytes, the same for the same bundle."""
        facts = {
            "format": FORMAT,
            "splink_version": self.splink_version,
            "origin": self.origin,
            "model": self.model,
            "extras": self.extras,
            "rules": [rule.atoms for rule in self.rules],
            "floors": self.frequencies.floors,
            "edge_threshold": self.edge_threshold,
            "review_floor": self.review_floor,
            "conflict_veto": self.conflict_veto,
            "metrics": self.metrics,
        }
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as archive:
            for name, content in (
                ("bundle.json", json.dumps(facts, sort_keys=True, indent=1).encode()),
                ("frequencies.parquet", _parquet(self.frequencies.values)),
                ("aliases.parquet", _parquet(self.aliases)),
            ):
                archive.writestr(zipfile.ZipInfo(name), content)
        return target.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "ModelBundle":
        """Read a bundle back.

        Raises:
            BundleError: the bytes are no bundle, or one of another format or another Splink version.
        """
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                facts = json.loads(archive.read("bundle.json"))
                values = pq.read_table(io.BytesIO(archive.read("frequencies.parquet")))
                aliases = pq.read_table(io.BytesIO(archive.read("aliases.parquet")))
        except (*_DAMAGE, pa.ArrowException) as error:
            raise BundleError(
                "The model bundle cannot be read: it is cut short or damaged. Promote another model, or train one."
            ) from error
        if facts["format"] != FORMAT:
            raise BundleError(
                f"The model bundle has format {facts['format']}, this version reads format {FORMAT}. Train a new model."
            )
        if facts["splink_version"] != splink.__version__:
            raise BundleError(
                f"The model bundle was made for Splink {facts['splink_version']}, installed is {splink.__version__}: "
                "its weights could differ. Train a new model, or install the Splink that it was made for."
            )
        return cls(
            model=facts["model"],
            extras=tuple(facts["extras"]),
            rules=tuple(BlockingRule(tuple(atoms)) for atoms in facts["rules"]),
            frequencies=Frequencies(values, facts["floors"]),
            aliases=aliases,
            edge_threshold=facts["edge_threshold"],
            review_floor=facts["review_floor"],
            conflict_veto=facts["conflict_veto"],
            origin=Origin(facts["origin"]),
            metrics=facts["metrics"],
            splink_version=facts["splink_version"],
        )


def shipped_priors() -> ModelBundle:
    """The bundle that ships with the package; `priors/README.md` tells how it was made."""
    return ModelBundle.from_bytes(resources.files(__package__).joinpath("priors", "bundle.zip").read_bytes())


def _parquet(table: pa.Table) -> bytes:
    target = io.BytesIO()
    pq.write_table(table, target, compression="zstd")
    return target.getvalue()
