"""One source of log files for all: the location's scheme says which."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from enricher.errors import LogFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from enricher.pipeline.ports import LogFileSource

_SCHEME = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://")


class RoutedLogFiles:
    """Reads a location from the source of its scheme; a path has none.

    A source is made when the first location of its scheme is read, and kept.
    """

    def __init__(
        self, paths: LogFileSource, by_scheme: Mapping[str, Callable[[], LogFileSource]]
    ) -> None:
        self._paths = paths
        self._makers = dict(by_scheme)
        self._made: dict[str, LogFileSource] = {}

    def read(self, location: str) -> Iterator[bytes]:
        """Give the file's bytes in pieces.

        Raises:
            LogFileError: ``scheme-unknown``, and what the source raises.
        """
        return self._source(location).read(location)

    def _source(self, location: str) -> LogFileSource:
        found = _SCHEME.match(location)
        if found is None:
            return self._paths
        scheme = found["scheme"]
        if scheme not in self._makers:
            raise LogFileError("scheme-unknown")
        if scheme not in self._made:
            self._made[scheme] = self._makers[scheme]()
        return self._made[scheme]
