"""The API against its own OpenAPI document: whatever that allows is answered as it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from tests.integration.api_house import SAMPLES, open_house

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enricher.stack import Endpoints
    from tests.integration.api_house import ApiHouse

EXAMPLES = 20


@pytest.fixture(scope="module")
def house(
    stack_endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiHouse]:
    with open_house(stack_endpoints, tmp_path_factory.mktemp("api-schema")) as found:
        found.ingest(SAMPLES)
        yield found


@pytest.fixture(scope="module")
def document(house: ApiHouse) -> Any:  # noqa: ANN401 - Schemathesis has no public name for it
    return schemathesis.openapi.from_url(f"{house.url}/openapi.json")


schema = schemathesis.pytest.from_fixture("document")


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_every_call_is_answered_as_the_document_says(
    case: schemathesis.Case[Any], house: ApiHouse
) -> None:
    case.call_and_validate(headers={"X-API-Key": house.keys["all"]})


def test_every_operation_has_an_id_a_summary_and_examples(house: ApiHouse) -> None:
    found = house.ask("GET", "/openapi.json", key=None).json()
    schemas = found["components"]["schemas"]
    for path, methods in found["paths"].items():
        for operation in methods.values():
            assert operation["operationId"].isidentifier()
            assert operation["summary"]
            assert operation["description"]
            if "requestBody" in operation:
                (content,) = operation["requestBody"]["content"].values()
                assert content["examples"], path
            for parameter in operation.get("parameters", ()):
                assert parameter.get("description"), (path, parameter["name"])
    undescribed = [
        f"{name}.{field}"
        for name, one in schemas.items()
        for field, property_ in one.get("properties", {}).items()
        if "description" not in property_ and name != "Fault"
    ]
    assert undescribed == []
