"""Databases of addresses in MaxMind's format: the user's own files, read where they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from enricher.enrichers.geo import Place
from enricher.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from maxminddb import Reader

_LONGEST = 256


class GeoDatabases:
    """One database of cities or countries, one of networks; either may be absent.

    They are read as they were when the process began; a newer file is another one to it.

    References:
        MaxMind, "GeoIP2 and GeoLite City and Country Databases" and "ASN Databases": names of the
        fields; DB-IP's free databases bear the same.
    """

    def __init__(self, city_file: Path | None, asn_file: Path | None) -> None:
        """Open the files.

        Raises:
            ConfigurationError: If a file cannot be read, or the extra ``geo`` is not installed.
        """
        self._cities = _open(city_file, "ENRICHER_GEO__CITY_FILE")
        self._networks = _open(asn_file, "ENRICHER_GEO__ASN_FILE")

    def place(self, address: str) -> Place:
        """Say what the files say of an address."""
        city, network = _look_up(self._cities, address), _look_up(self._networks, address)
        return Place(
            country=_text(city, "country", "iso_code"),
            city=_text(city, "city", "names", "en"),
            asn=_number(network, "autonomous_system_number"),
            as_organization=_text(network, "autonomous_system_organization"),
        )


def _open(path: Path | None, setting: str) -> Reader | None:
    if path is None:
        return None
    try:
        import maxminddb  # noqa: PLC0415 - an extra: only where it is asked for
    except ImportError as err:
        raise ConfigurationError(
            f"{setting} needs the extra `geo`: pip install 'enricher[geo]'"
        ) from err
    try:
        return maxminddb.open_database(path)
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as err:
        raise ConfigurationError(
            f"{setting}: {path} is no database that can be read: {type(err).__name__}"
        ) from err


def _look_up(database: Reader | None, address: str) -> Any:  # noqa: ANN401 - what the file holds
    """Give what a database holds of an address; None also for IPv6 where it has none of it."""
    if database is None:
        return None
    try:
        return database.get(address)
    except ValueError:
        return None


def _member(value: Any, *path: str) -> Any:  # noqa: ANN401 - what the file holds
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _text(value: Any, *path: str) -> str | None:  # noqa: ANN401
    found = _member(value, *path)
    return found[:_LONGEST] if isinstance(found, str) and found else None


def _number(value: Any, *path: str) -> int | None:  # noqa: ANN401
    found = _member(value, *path)
    return found if isinstance(found, int) and 0 <= found < 1 << 32 else None
