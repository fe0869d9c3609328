"""One typed settings object, read from `customer_profiles.yaml`. Opens no database, key or network."""

from customer_profiles.settings.collector import (
    Collector,
    CollectorConnector,
    DerivedWriteKey,
    WriteKeyVariable,
)
from customer_profiles.settings.errors import Problem, SettingsError
from customer_profiles.settings.history import HistorySettings
from customer_profiles.settings.identity import (
    Comparison,
    IdentifierSettings,
    IdentitySettings,
    Joins,
    Training,
)
from customer_profiles.settings.load import FILE_NAME, FILE_VARIABLE, load_settings, settings_from_text
from customer_profiles.settings.mapping import (
    Column,
    Constant,
    FieldMapping,
    Nested,
    Scalar,
    Several,
    columns_of,
)
from customer_profiles.settings.model import Settings
from customer_profiles.settings.profiles import LawfulBasis, Purpose, Segment, Serving, Sla, Trait, Windows
from customer_profiles.settings.sources import (
    Connector,
    DatabaseConnector,
    Feed,
    FilesConnector,
    Locale,
    Source,
)
from customer_profiles.settings.state import KeyFile, KeyVariable, StateSettings

__all__ = [
    "FILE_NAME",
    "FILE_VARIABLE",
    "Collector",
    "CollectorConnector",
    "Column",
    "Comparison",
    "Connector",
    "Constant",
    "DatabaseConnector",
    "DerivedWriteKey",
    "Feed",
    "FieldMapping",
    "FilesConnector",
    "HistorySettings",
    "IdentifierSettings",
    "IdentitySettings",
    "Joins",
    "KeyFile",
    "KeyVariable",
    "LawfulBasis",
    "Locale",
    "Nested",
    "Problem",
    "Purpose",
    "Scalar",
    "Segment",
    "Serving",
    "Settings",
    "SettingsError",
    "Several",
    "Sla",
    "Source",
    "StateSettings",
    "Training",
    "Trait",
    "Windows",
    "WriteKeyVariable",
    "columns_of",
    "load_settings",
    "settings_from_text",
]
