"""Opens the connector that a source's settings ask for."""

from customer_profiles.settings import DatabaseConnector, FilesConnector, Source
from customer_profiles.sources.database import DatabaseReader
from customer_profiles.sources.envelope import Connector
from customer_profiles.sources.errors import SourceError
from customer_profiles.sources.files import FilesReader


def open_connector(source: str, settings: Source) -> Connector:
    """The connector of a source; it connects when it first reads.

    Raises:
        SourceError: its kind is unknown, or its driver is not installed.
    """
    if isinstance(settings.connector, DatabaseConnector):
        return DatabaseReader(source, settings.connector, settings.feeds)
    if isinstance(settings.connector, FilesConnector):
        return FilesReader(source, settings.connector, settings.feeds)
    raise SourceError(f"{source}: no connector is known for its `connector`")
