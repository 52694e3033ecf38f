"""The API against its own OpenAPI document: whatever that allows is answered as it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from tests.integration.api_house import SAMPLES, open_house

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enricher.stack import Endpoints
    from tests.integration.api_house import ApiHouse

EXAMPLES = 20
WITHOUT_INPUT = {"GET /livez", "GET /readyz"}
# A schema does not say that a range is in order, or which parameters go together; and it calls a
# number that stands for a time wrong, which pydantic takes.
NOT_IN_A_SCHEMA: list[Any] = [positive_data_acceptance, negative_data_rejection]


@pytest.fixture(scope="module")
def house(
    stack_endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiHouse]:
    with open_house(stack_endpoints, tmp_path_factory.mktemp("api-schema")) as found:
        found.ingest(SAMPLES)
        yield found


def test_every_call_is_answered_as_the_document_says(house: ApiHouse) -> None:
    document = schemathesis.openapi.from_url(f"{house.url}/openapi.json")
    found = list(document.get_all_operations())
    operations = [one.ok() for one in found if isinstance(one, Ok)]
    assert len(operations) == len(found) > 15

    def ask(case: schemathesis.Case[Any]) -> None:
        headers = {"X-API-Key": house.keys["all"]}
        case.call_and_validate(headers=headers, excluded_checks=NOT_IN_A_SCHEMA)

    for operation in operations:
        for mode in schemathesis.GenerationMode:
            if mode.is_negative and operation.label in WITHOUT_INPUT:
                continue
            cases = operation.as_strategy(generation_mode=mode)
            asking = given(case=cases)(ask)
            settings(
                max_examples=EXAMPLES,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            )(asking)()


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
