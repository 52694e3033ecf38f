"""Enrichers of other packages, found by their entry points."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from enricher.errors import ConfigurationError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from enricher.enrichers.interface import PlugIn

GROUP = "enricher.enrichers"


@dataclass(frozen=True, slots=True)
class Found:
    """A plug-in that is installed; nothing of it is imported yet.

    Attributes:
        name: The name of its entry point, and its own.
        package: The distribution that brings it, with its version.
    """

    name: str
    package: str
    entry_point: EntryPoint

    def load(self) -> PlugIn:
        """Import it.

        Raises:
            ConfigurationError: If that fails, or it calls itself otherwise than its entry point.
        """
        try:
            plug_in: PlugIn = self.entry_point.load()()
        except Exception as err:
            raise ConfigurationError(
                f"the enricher {self.name} of {self.package} cannot be loaded: "
                f"{type(err).__name__}: {err}. Repair it, or leave it out with "
                f"ENRICHER_ENRICHERS__DISABLED={self.name}"
            ) from err
        if getattr(plug_in, "name", None) != self.name:
            raise ConfigurationError(
                f"the enricher {self.name} of {self.package} has another name than its entry point"
            )
        return plug_in


def find_plug_ins() -> list[Found]:
    """Give what is installed, by name: the same order on every machine."""
    found = [
        Found(point.name, f"{point.dist.name} {point.dist.version}" if point.dist else "?", point)
        for point in entry_points(group=GROUP)
    ]
    return sorted(found, key=lambda one: (one.name, one.package))
