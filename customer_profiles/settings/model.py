"""The whole of the settings: what `customer_profiles.yaml` becomes."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from customer_profiles.settings.alarms import Alarms
from customer_profiles.settings.base import Name, Part
from customer_profiles.settings.collector import Collector
from customer_profiles.settings.history import HistorySettings
from customer_profiles.settings.identity import IdentitySettings
from customer_profiles.settings.keeping import Keeping
from customer_profiles.settings.metrics import Metrics
from customer_profiles.settings.profiles import (
    DEFAULT_PURPOSES,
    Purpose,
    Segment,
    Serving,
    Sla,
    Trait,
    Windows,
)
from customer_profiles.settings.sources import Feed, Locale, Source
from customer_profiles.settings.state import StateSettings
from customer_profiles.settings.streaming import Streaming


class Settings(Part):
    """Everything that one installation of customer_profiles is told."""

    folder: Path = Field(default_factory=Path.cwd, exclude=True)
    """Where the settings file stands; relative paths in the settings are already counted from it."""
    company: str = "My company"
    """The company's name, as customers know it."""
    owner: str = "team:data"
    """Who answers for what this project makes: an email address or `team:NAME`."""
    state: StateSettings = Field({}, validate_default=True)
    """The pipeline's own state."""
    history: HistorySettings = HistorySettings()
    """Where old interactions go."""
    defaults: Locale = Locale()
    """What sources leave unsaid."""
    sources: Mapping[Name, Source] = {}
    """The systems that hold customer data."""
    identity: IdentitySettings = Field({}, validate_default=True)
    """How records are linked to customers."""
    traits: Mapping[Name, Trait] = {}
    """Traits made from extra attributes."""
    windows: Windows = Windows()
    """What is counted of interactions."""
    segments: Mapping[Name, Segment] = {}
    """Named rules over traits and windows."""
    purposes: Mapping[Name, Purpose] = DEFAULT_PURPOSES
    """What profiles are used for; when given, these and no others."""
    sla: Sla = Sla()
    """How fresh profiles must be."""
    alarms: Alarms = Alarms()
    """When on-call is told, and how."""
    metrics: Metrics = Metrics()
    """Where Prometheus finds what is measured."""
    keeping: Keeping = Keeping()
    """How long what only tells of the past is kept."""
    serving: Serving = Serving()
    """How profiles are read."""
    collector: Collector = Collector()
    """How events are taken from clients."""
    streaming: Streaming = Streaming()
    """How what is new is taken in as it comes."""

    def locale(self, source: str) -> Locale:
        """What a source leaves unsaid: its own settings over the defaults.

        Raises:
            KeyError: there is no such source.
        """
        own = self.sources[source]
        return Locale(
            phone_region=own.phone_region or self.defaults.phone_region,
            time_zone=own.time_zone or self.defaults.time_zone,
            currency=own.currency or self.defaults.currency,
        )

    def feeds(self, contract: str | None = None) -> tuple[tuple[str, str, Feed], ...]:
        """(source, feed name, feed) of every feed, or of those of one contract, in the order of the file."""
        return tuple(
            (source_name, feed_name, feed)
            for source_name, source in self.sources.items()
            for feed_name, feed in source.feeds.items()
            if contract in (None, feed.contract)
        )

    @property
    def extra_attributes(self) -> tuple[str, ...]:
        """The names of all declared extra attributes of records, in order of name."""
        return tuple(sorted({name for _, _, feed in self.feeds("record") for name in feed.extra}))
