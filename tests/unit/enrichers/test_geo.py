"""What databases of addresses say, and of which addresses nothing is said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from enricher.cloudtrail.record import Record
from enricher.enrichers.geo import GeoEnricher
from enricher.enrichers.interface import Context
from enricher.errors import ConfigurationError
from enricher.identity import keys
from enricher.identity.evidence import EvidenceInMemory
from enricher.identity.facts import Keyed, Mark
from enricher.identity.resolve import Resolver
from enricher.stores.geo import GeoDatabases

if TYPE_CHECKING:
    from pathlib import Path

    from enricher.enrichers.geo import Places

BERLIN = {"country": {"iso_code": "DE"}, "city": {"names": {"en": "Berlin", "de": "Berlin"}}}
NETWORK = {"autonomous_system_number": 64_496, "autonomous_system_organization": "Example Net"}
HERE = "185.199.108.7"  # public: addresses for documentation are not


def database(path: Path, content: dict[str, Any], ip_version: int = 6) -> Path:
    writer = MMDBWriter(ip_version, "Test", ipv4_compatible=ip_version == 6)
    for network, said in content.items():
        writer.insert_network(IPSet([network]), said)
    writer.to_db_file(str(path))
    return path


@pytest.fixture
def places(tmp_path: Path) -> Places:
    everywhere = {"185.199.108.0/24": BERLIN, "10.0.0.0/8": BERLIN, "2a00:1450::/32": BERLIN}
    city = database(tmp_path / "city.mmdb", everywhere)
    asn = database(tmp_path / "asn.mmdb", {"185.199.108.0/24": NETWORK}, ip_version=4)
    return GeoDatabases(city, asn).place


def answer(places: Places, address: object, *stated: Keyed, **more: object) -> dict[str, Any]:
    raw = {"eventTime": "2026-03-02T08:00:00Z", "sourceIPAddress": address, **more}
    context = Context(
        record=Record(raw),
        facts=(),
        resolver=Resolver(EvidenceInMemory(stated)),
        window_closed=True,
    )
    contribution = GeoEnricher(places).enrich(context)
    assert not contribution.notes
    return contribution.fields


def test_country_city_and_network_are_said(places: Places) -> None:
    assert answer(places, HERE) == {
        "geo": {
            "country": "DE",
            "city": "Berlin",
            "asn": 64_496,
            "as_organization": "Example Net",
        }
    }


def test_what_a_database_has_not_is_left_out(places: Places) -> None:
    assert answer(places, "2a00:1450::7") == {"geo": {"country": "DE", "city": "Berlin"}}


@pytest.mark.parametrize(
    "address",
    [
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "0.0.0.0",  # noqa: S104 - as services write it
        "fe80::1%eth0",
        "ec2.amazonaws.com",
        "AWS Internal",
        "185.199.108.7.example.com",
        "185.199.108.256",
        "185.199.108.7/24",
        "9" * 8_192,
        ":" * 8_192,
        "8.8.8.8",
        "",
        None,
        7,
        {"ip": HERE},
    ],
)
def test_of_others_nothing_is_said(places: Places, address: object) -> None:
    assert answer(places, address) == {}


def test_an_address_that_the_owner_of_an_endpoint_chose_is_not_believed(places: Places) -> None:
    endpoint = {"vpcEndpointId": "vpce-0a1b2c3d"}
    assert answer(places, HERE, **endpoint) == {}
    theirs = Keyed(keys.endpoint("vpce-0a1b2c3d"), Mark(value="aws"))
    assert answer(places, HERE, theirs, **endpoint) == answer(places, HERE)
    assert answer(places, HERE, vpcEndpointAccountId="AWS Internal", **endpoint)


@pytest.mark.parametrize("said", [{"country": "DE"}, {"country": {"iso_code": 7}}, {"city": []}])
def test_a_database_of_another_shape_says_nothing(tmp_path: Path, said: dict[str, Any]) -> None:
    odd = database(tmp_path / "odd.mmdb", {"185.199.108.0/24": said})
    assert answer(GeoDatabases(odd, odd).place, HERE) == {}


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "no.mmdb"
    path.write_bytes(b"no database")
    with pytest.raises(ConfigurationError, match="ENRICHER_GEO__CITY_FILE"):
        GeoDatabases(path, None)
    with pytest.raises(ConfigurationError, match="FileNotFoundError"):
        GeoDatabases(None, tmp_path / "none.mmdb")
