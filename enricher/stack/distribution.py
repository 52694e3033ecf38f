"""Putting the server's directory together from downloaded files."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from enricher.stack.download import ArtifactCache
from enricher.stack.exclusion import exclusive

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from enricher.stack.download import Source
    from enricher.stack.lock import Lock, LockedArtifact, LockedModule, LockedPlugin

# Goes into the name of the directory: raise it when the same files are put together differently.
LAYOUT_REVISION = 1
ASSEMBLY_PREFIX = ".assemble-"


class Distribution:
    """The OpenSearch server as a directory: ``lib/``, ``modules/``, ``plugins/``.

    It is read only in use and holds no settings, so every stack of the user shares it.
    """

    def __init__(
        self, lock: Lock, cache_dir: Path, *, security: bool = False, source: Source | None = None
    ) -> None:
        """Describe the server of ``lock``; nothing is downloaded yet.

        Args:
            lock: What it is made of.
            cache_dir: Where downloads and the assembled directory are kept.
            security: Add the Security plugin.
            source: Where files come from; the public repository by default.
        """
        self._lock = lock
        self._cache_dir = cache_dir
        self._security = security
        self._source = source
        kind = "-security" if security else ""
        self.home = (
            cache_dir / f"opensearch-{lock.opensearch}{kind}-{LAYOUT_REVISION}-{lock.digest()[:12]}"
        )

    def prepare(self, report: Callable[[str], None]) -> Path:
        """Have the directory ready; a second call does nothing and needs no network.

        Raises:
            DownloadError: A file cannot be had.
            ChecksumError: A file is not what the lock file says.
        """
        if self.home.is_dir():
            return self.home
        self._cache_dir.mkdir(parents=True, exist_ok=True)
        waiting = "Another command is downloading the server; waiting for it"
        with exclusive(self._cache_dir / ".lock", lambda: report(waiting)):
            if not self.home.is_dir():
                self._assemble(report)
        return self.home

    def _assemble(self, report: Callable[[str], None]) -> None:
        cache = ArtifactCache(self._cache_dir / "artifacts", self._source)
        files = cache.fetch_all(self._lock.artifacts(security=self._security), report)
        for abandoned in self._cache_dir.glob(f"{ASSEMBLY_PREFIX}*"):  # it was killed there
            shutil.rmtree(abandoned, ignore_errors=True)
        # Built beside its place and renamed: a directory of that name is always complete.
        with tempfile.TemporaryDirectory(prefix=ASSEMBLY_PREFIX, dir=self._cache_dir) as temporary:
            home = Path(temporary) / "home"
            (home / "plugins").mkdir(parents=True)
            _place(self._lock.lib, files, home / "lib")
            for module in self._lock.modules:
                directory = home / "modules" / module.name
                _place(module.artifacts, files, directory)
                (directory / "plugin-descriptor.properties").write_text(
                    module_descriptor(module, self._lock.opensearch), encoding="utf-8"
                )
            if self._security:
                _unpack_plugin(self._lock.security, files, home / "plugins")
            home.rename(self.home)


def module_descriptor(module: LockedModule, version: str) -> str:
    """Write what the server wants to know of a module, as Java properties."""
    properties = {
        "name": module.name,
        "description": module.description,
        "version": version,
        "opensearch.version": version,
        "java.version": "21",
        "classname": module.classname,
        "extended.plugins": ",".join(module.extends),
        "has.native.controller": "false",
    }
    return "".join(f"{name}={value}\n" for name, value in properties.items())


def _place(
    artifacts: tuple[LockedArtifact, ...], files: Mapping[LockedArtifact, Path], directory: Path
) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for artifact in artifacts:
        target = directory / artifact.file_name
        try:
            os.link(files[artifact], target)
        except OSError:  # not every file system has hard links
            shutil.copyfile(files[artifact], target)


def _unpack_plugin(
    plugin: LockedPlugin, files: Mapping[LockedArtifact, Path], plugins: Path
) -> None:
    directory = plugins / plugin.name
    with zipfile.ZipFile(files[plugin.archive]) as archive:
        archive.extractall(directory)  # its checksum was verified; it is what the lock file names
    _place(plugin.beside, files, directory)
    descriptor = directory / "plugin-descriptor.properties"
    # It names plugins of the full distribution as optional ones to see; here there are none.
    content = re.sub(
        r"(?m)^extended\.plugins=.*$", "extended.plugins=", descriptor.read_text(encoding="utf-8")
    )
    descriptor.write_text(content, encoding="utf-8")
