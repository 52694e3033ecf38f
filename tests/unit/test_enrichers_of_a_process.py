"""Which enrichers a process runs: settings, files and what is installed, put together once."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

import pytest

from enricher.bootstrap import Container
from enricher.errors import ConfigurationError
from enricher.settings import EnrichersSettings, GeoSettings, NamesSettings, Settings
from enricher.stores.plug_ins import Found

if TYPE_CHECKING:
    from pathlib import Path

    from enricher.enrichers.interface import View

HERE = __name__


class Quiet:
    """A plug-in that says nothing."""

    name = "quiet"
    version = 4
    reads = ()
    fields = ()

    def enrich(self, view: View) -> Any:  # noqa: ANN401 - nothing that may be used
        """Say nothing."""


class Broken:
    """A plug-in that cannot be made."""

    def __init__(self) -> None:
        raise OSError("a file is missing")


def installed(name: str, what: str) -> Found:
    return Found(name, "acme 1.0", EntryPoint(name, f"{HERE}:{what}", "enricher.enrichers"))


def process(*found: Found, **settings: Any) -> Container:  # noqa: ANN401 - any section
    container = Container(Settings(**settings))
    container.__dict__["plug_ins"] = list(found)  # in place of what is installed here
    return container


def names(container: Container) -> list[str]:
    return [one.name for one in container.enrichers]


def without_geo() -> list[str]:
    return names(process())


def test_all_that_are_installed_run_and_geo_only_with_a_database() -> None:
    assert without_geo()[0] == "identity"
    assert "geo" not in without_geo()
    assert names(process(installed("quiet", "Quiet"))) == [*without_geo(), "quiet"]


def test_settings_choose_and_order_them() -> None:
    quiet = installed("quiet", "Quiet")
    some = EnrichersSettings(enabled=" quiet , identity")
    assert names(process(quiet, enrichers=some)) == ["identity", "quiet"]
    none = EnrichersSettings(disabled="quiet")
    assert names(process(quiet, enrichers=none)) == without_geo()


def test_every_use_in_a_process_has_the_same() -> None:
    container = process(installed("quiet", "Quiet"))
    assert container.enrichers is container.enrichers


@pytest.mark.parametrize("what", ["Broken", "NoSuchClass"])
def test_one_that_cannot_be_loaded_is_named_with_its_package_and_the_way_out(what: str) -> None:
    broken = installed("broken", what)
    with pytest.raises(
        ConfigurationError, match=r"enricher broken of acme 1.0 .*ENRICHERS__DISABLED=broken"
    ):
        names(process(broken))
    assert names(process(broken, enrichers=EnrichersSettings(disabled="broken"))) == without_geo()


def test_one_under_another_name_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="another name than its entry point"):
        names(process(installed("loud", "Quiet")))


def test_two_packages_with_one_name_are_refused() -> None:
    quiet = installed("quiet", "Quiet")
    with pytest.raises(ConfigurationError, match="twice among those installed: quiet"):
        names(process(quiet, quiet))


def test_geo_without_a_database_is_no_wish_that_can_be_met() -> None:
    with pytest.raises(ConfigurationError, match="ENRICHER_GEO__CITY_FILE"):
        names(process(enrichers=EnrichersSettings(enabled="geo")))


def test_files_that_are_missing_are_said(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(ConfigurationError, match="ENRICHER_NAMES__ACCOUNTS_FILE"):
        names(process(names=NamesSettings(accounts_file=missing)))
    with pytest.raises(ConfigurationError, match="ENRICHER_GEO__ASN_FILE"):
        names(process(geo=GeoSettings(asn_file=missing)))
