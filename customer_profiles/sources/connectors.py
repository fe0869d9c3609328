"""Opens the connector that a source's settings ask for."""

from customer_profiles.settings import CollectorConnector, DatabaseConnector, FilesConnector, Source
from customer_profiles.sources.collector import CollectorReader
from customer_profiles.sources.database import DatabaseReader
from customer_profiles.sources.envelope import Connector
from customer_profiles.sources.errors import SourceError
from customer_profiles.sources.files import FilesReader
from customer_profiles.state.engine import State


def open_connector(source: str, settings: Source, state: State | None = None) -> Connector:
    """The connector of a source; it connects when it first reads.

    Args:
        source: Its name.
        settings: Its settings.
        state: Where the inbox is; only a source of the collector needs it.

    Raises:
        SourceError: its kind is unknown, or its driver is not installed.
    """
    if isinstance(settings.connector, DatabaseConnector):
        return DatabaseReader(source, settings.connector, settings.feeds)
    if isinstance(settings.connector, FilesConnector):
        return FilesReader(source, settings.connector, settings.feeds)
    if isinstance(settings.connector, CollectorConnector):
        assert state is not None
        return CollectorReader(source, settings.feeds, state)
    raise SourceError(f"{source}: no connector is known for its `connector`")
