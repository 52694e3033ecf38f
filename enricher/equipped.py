"""The enrichers that run in this process, as the settings choose them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from enricher.enrichers.geo import GeoEnricher
from enricher.enrichers.registry import assemble, built_in, chosen
from enricher.errors import ConfigurationError
from enricher.reach import Reach
from enricher.stores.account_names import read_account_names
from enricher.stores.geo import GeoDatabases
from enricher.stores.plug_ins import find_plug_ins

if TYPE_CHECKING:
    from enricher.enrichers.interface import Enricher
    from enricher.stores.plug_ins import Found

GEO = GeoEnricher.name


class Equipped(Reach):
    """The servers, and the enrichers that write to them."""

    @cached_property
    def own_enrichers(self) -> tuple[Enricher, ...]:
        """The enrichers of this project, also those that do not run.

        Raises:
            ConfigurationError: If a file that they need is missing or cannot be read.
        """
        geo = self.settings.geo
        databases = GeoDatabases(geo.city_file, geo.asn_file) if self._has_geo else None
        return built_in(self.account_names, databases.place if databases else None)

    @cached_property
    def account_names(self) -> dict[str, str]:
        """What accounts are called, by id; empty where no file says it.

        Raises:
            ConfigurationError: If the file is missing or cannot be read.
        """
        path = self.settings.names.accounts_file
        return read_account_names(path) if path else {}

    @property
    def _has_geo(self) -> bool:
        return bool(self.settings.geo.city_file or self.settings.geo.asn_file)

    @cached_property
    def plug_ins(self) -> list[Found]:
        """The enrichers of other packages that are installed."""
        return find_plug_ins()

    @cached_property
    def enrichers(self) -> tuple[Enricher, ...]:
        """The enrichers that run, in order: the same for every use in this process.

        Raises:
            ConfigurationError: If the settings name one that is not there, or one cannot be loaded
                or does not go together with the others.
        """
        enabled = listed(self.settings.enrichers.enabled)
        disabled = listed(self.settings.enrichers.disabled)
        if not self._has_geo:
            if GEO in enabled:
                raise ConfigurationError(
                    f"the enricher {GEO} needs a database: set ENRICHER_GEO__CITY_FILE or "
                    "ENRICHER_GEO__ASN_FILE"
                )
            disabled = [*disabled, GEO]
        own = self.own_enrichers
        available = [*(one.name for one in own), *(one.name for one in self.plug_ins)]
        names = chosen(available, enabled, disabled)
        # What does not run is not even imported.
        loaded = [one.load() for one in self.plug_ins if one.name in names]
        return assemble(names, own, loaded)


def listed(setting: str) -> list[str]:
    """Read names that are separated by commas."""
    return [name.strip() for name in setting.split(",") if name.strip()]
