"""When interactions leave the database, and where they are sealed."""

from pathlib import Path

from pydantic import Field

from customer_profiles.settings.base import AnchoredPath, Part


class HistorySettings(Part):
    """Old interactions move from the database to sealed, encrypted segments."""

    after_days: int = Field(90, ge=1, le=36_500)
    """Interactions that occurred longer ago than so many days are sealed."""
    folder: AnchoredPath | None = None
    """Where the segments are. [default: `history` in the state's folder; with Postgres `.data/history`]"""

    def folder_beside(self, state: Path | None, settings: Path) -> Path:
        """The folder.

        Args:
            state: The folder of an embedded state; None on Postgres.
            settings: The folder of the settings file.
        """
        return self.folder or (settings / ".data" / "history" if state is None else state / "history")
