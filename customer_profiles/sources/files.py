"""Reads the files of a folder, each once, and those that grow from where they were left."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from customer_profiles.settings import Feed, FilesConnector
from customer_profiles.sources.envelope import Batch, Envelope, Position
from customer_profiles.sources.errors import SourceError
from customer_profiles.sources.file_formats import SETTLED_SECONDS, FormatReader, Read, format_reader
from customer_profiles.sources.marks import FileMark, content_hashes, same_start
from customer_profiles.sources.positions import FILES

LARGEST_SCAN = 64 << 20
"""Bytes of one file that one read goes through, when hardly a row of it is wanted."""


class FilesReader:
    """Reads the feeds of one folder.

    A file is known by its path, size and content. One that is as it was is not read again; one that grew is read on from
    where it was left, provided that what was read is still there; any other change reads it again from its start, and
    says so. A file that is gone is forgotten; what was read from it stays. A last line without an end waits until it is
    complete (for JSON: until it can be parsed), or until nobody has written to the file for a minute.
    """

    def __init__(
        self,
        source: str,
        settings: FilesConnector,
        feeds: Mapping[str, Feed],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Bind the reader.

        Args:
            source: The source's name.
            settings: Its folder.
            feeds: Its feeds.
            clock: Seconds since 1970, to tell how long a file has been quiet.
        """
        self._source = source
        self._folder = settings.folder
        self._feeds = feeds
        self._clock = clock
        self._formats: dict[str, FormatReader] = {}

    def read(self, feed: str, position: Position, limit: int) -> Batch:
        """At most `limit` rows, file by file; see :class:`~customer_profiles.sources.envelope.Connector`."""
        settings = self._feeds[feed]
        marks = {path: FileMark(**mark) for path, mark in position.get(FILES, {}).items()}
        notes: list[str] = []
        if position and position["mapping"] != settings.fingerprint:
            notes.append(f"{self._name(feed)}: its settings changed, so its files are all read again.")
            marks = {path: FileMark(mark.size, mark.changed, again=True) for path, mark in marks.items()}
        envelopes: list[Envelope] = []
        after: dict[str, FileMark] = {}
        again = False
        complete = True
        paths = self.paths(feed)
        for relative, path in paths.items():
            mark = marks.get(relative)
            if complete and len(envelopes) < limit:
                mark = self._known(feed, relative, path, mark, notes)
                if not mark.done:
                    # Rows read again and rows read for the first time do not share a batch: they count differently.
                    if envelopes and mark.again != again:
                        complete = False
                    else:
                        again = mark.again
                        mark, read = self._read_on(feed, relative, path, mark, limit - len(envelopes))
                        envelopes += read.envelopes
                        complete = read.exhausted
            elif mark is None or not mark.done or _changed(path, mark):
                complete = False
            if mark is not None:
                after[relative] = mark
        new_position = {
            "mapping": settings.fingerprint,
            FILES: {path: mark.as_json() for path, mark in after.items()},
        }
        return Batch(envelopes, new_position, complete, None, again, tuple(notes))

    def close(self) -> None:
        """Nothing stays open between reads."""

    def _name(self, feed: str) -> str:
        return f"{self._source}.{feed}"

    def paths(self, feed: str) -> dict[str, Path]:
        """The files of a feed by their path below the folder, in order of that.

        Raises:
            SourceError: the folder is not there, or the one file that is named.
        """
        pattern = str(self._feeds[feed].files)
        if not self._folder.is_dir():
            raise SourceError(
                f"{self._name(feed)}: there is no folder {self._folder}: correct `folder` in the settings, "
                "or bring the folder back"
            )
        found = {
            path.relative_to(self._folder).as_posix(): path
            for path in self._folder.glob(pattern)
            if path.is_file() and not path.name.startswith(".")
        }
        if not found and not any(mark in pattern for mark in "*?["):
            raise SourceError(
                f"{self._name(feed)}: there is no file {pattern} in {self._folder}: correct `files` in the settings, "
                "or bring the file back"
            )
        return dict(sorted(found.items()))

    def _known(
        self, feed: str, relative: str, path: Path, mark: FileMark | None, notes: list[str]
    ) -> FileMark:
        """The mark to go on from: of a file that is new or not what it was, its start."""
        seen = self._stat(feed, path)
        if mark is None:
            return FileMark(seen.st_size, seen.st_mtime_ns)
        done = mark.done and seen.st_size == mark.size and not self._now_settled(mark, seen.st_mtime_ns)
        if (mark.size, mark.changed) == (seen.st_size, seen.st_mtime_ns):
            return replace(mark, done=done)
        if seen.st_size < mark.offset:
            why = "is shorter than what was read of it"
        elif not self._format(feed).appendable and seen.st_size != mark.offset:
            why = "was written anew"
        else:
            with self._open(feed, path) as file:
                if same_start(file, mark):
                    return replace(mark, size=seen.st_size, changed=seen.st_mtime_ns, done=done)
            why = "changed in what was read of it"
        notes.append(f"{self._name(feed)}: {relative} {why}, so it is read again from its start.")
        return FileMark(seen.st_size, seen.st_mtime_ns, again=True)

    def _now_settled(self, mark: FileMark, changed: int) -> bool:
        """Whether a last line that was left because it might go on has become old enough to be whole."""
        return mark.offset < mark.size and self._clock() - changed / 1e9 >= SETTLED_SECONDS

    def _read_on(
        self, feed: str, relative: str, path: Path, mark: FileMark, limit: int
    ) -> tuple[FileMark, Read]:
        settled = self._clock() - mark.changed / 1e9 >= SETTLED_SECONDS
        with self._open(feed, path) as file:
            read = self._format(feed).read(file, relative, mark, limit, LARGEST_SCAN, settled)
            blocks, rest = content_hashes(file, read.offset, mark)
        mark = replace(
            mark, offset=read.offset, line=read.line, blocks=blocks, rest=rest, done=read.exhausted
        )
        return mark, read

    def _format(self, feed: str) -> FormatReader:
        if feed not in self._formats:
            settings = self._feeds[feed]
            # Of feeds over the same files the first one tells of lines that nobody can read.
            first = next(name for name, other in self._feeds.items() if other.files == settings.files)
            self._formats[feed] = format_reader(self._name(feed), settings, first == feed)
        return self._formats[feed]

    def _stat(self, feed: str, path: Path) -> Any:
        try:
            return path.stat()
        except OSError as error:
            raise self._unreadable(feed, path, error) from None

    def _open(self, feed: str, path: Path) -> Any:
        try:
            return path.open("rb")
        except OSError as error:
            raise self._unreadable(feed, path, error) from None

    def _unreadable(self, feed: str, path: Path, error: OSError) -> SourceError:
        return SourceError(
            f"{self._name(feed)}: {path} cannot be read ({error.strerror or type(error).__name__}): "
            "see that it is there and that this account may read it"
        )


def _changed(path: Path, mark: FileMark) -> bool:
    try:
        seen = path.stat()
    except OSError:
        return True
    return (mark.size, mark.changed) != (seen.st_size, seen.st_mtime_ns)
