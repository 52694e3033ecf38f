"""Index templates: put the mappings into OpenSearch, and refuse what does not fit.

The JSON files in ``mappings/`` are the source; operators can read and compare them. Those of the
built-in enrichers are written from the fields that these declare (``make docs``); plug-ins have no
file there, their fields are mapped as they declare them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opensearchpy.exceptions import NotFoundError, RequestError

import enricher
from enricher.cloudtrail import codec
from enricher.enrichers.fields import component_template
from enricher.enrichers.registry import ENVELOPE, ENVELOPE_VERSION
from enricher.errors import SchemaMismatchError
from enricher.pipeline.documents import EVENTS_PREFIX
from enricher.stores.opensearch_ledger import AUDIT, FILES, QUARANTINE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from opensearchpy import OpenSearch

    from enricher.enrichers.interface import Enricher
    from enricher.pipeline.documents import Period

EVENTS_TEMPLATE = "cloudtrail-events"
ENVELOPE_COMPONENT = "cloudtrail-enriched"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mappings:
    """What ``mappings/`` holds: component templates and index templates by name."""

    components: dict[str, dict[str, Any]]
    templates: dict[str, dict[str, Any]]


def load_mappings(directory: Path | None = None) -> Mappings:
    """Read the mapping files: of the installed package, else of the checkout."""
    root = directory or _assets() / "mappings"
    return Mappings(components=_load(root / "component"), templates=_load(root / "index"))


def _assets() -> Path:
    package = Path(enricher.__file__).parent
    packed = package / "_assets"
    return packed if packed.is_dir() else package.parent


def _load(directory: Path) -> dict[str, dict[str, Any]]:
    return {path.stem: codec.loads(path.read_bytes()) for path in sorted(directory.glob("*.json"))}


def component_name(enricher: str) -> str:
    """Give the name of the component template that maps an enricher's fields."""
    return f"{ENVELOPE_COMPONENT}-{enricher}"


def components_of(enrichers: Iterable[Enricher]) -> dict[str, dict[str, Any]]:
    """Give the component templates of enrichers, by name."""
    return {
        component_name(one.name): component_template(
            f"Fields of the enricher {one.name}.", one.version, one.fields
        )
        for one in enrichers
    }


def envelope() -> dict[str, Any]:
    """Give the component template of what the pipeline itself says of an event."""
    what = "What the pipeline says of an event, beside the enrichers."
    return component_template(what, ENVELOPE_VERSION, ENVELOPE)


def with_enrichers(mappings: Mappings, enrichers: Iterable[Enricher]) -> Mappings:
    """Add the component templates of enrichers that have no file, and compose events of all."""
    declared = components_of(enrichers)
    events = mappings.templates[EVENTS_TEMPLATE]
    composed = dict.fromkeys((*events["composed_of"], *declared))
    return Mappings(
        components={**declared, **mappings.components},
        templates={**mappings.templates, EVENTS_TEMPLATE: {**events, "composed_of": [*composed]}},
    )


def install(
    client: OpenSearch,
    period: Period,
    enrichers: Sequence[Enricher] = (),
    mappings: Mappings | None = None,
) -> list[str]:
    """Put templates in place, and the indices that exist from the start.

    Events indices that exist get the mapping of what they have not; what was indexed before is
    searchable there once it is enriched again.

    Args:
        client: The cluster.
        period: How much time one events index holds.
        enrichers: Those that run; of those without a mapping file, the fields are mapped too.
        mappings: Other mappings than those that are packed with this version.

    Returns:
        What was installed, by name.

    Raises:
        SchemaMismatchError: If events were installed with another period, or an index maps a field
            otherwise already.
    """
    found = with_enrichers(mappings or load_mappings(), enrichers)
    _check_period(client, period)
    for name, body in found.components.items():
        client.cluster.put_component_template(name=name, body=body)
    for name, template in found.templates.items():
        meta = {**template.get("_meta", {})}
        if name == EVENTS_TEMPLATE:
            meta["period"] = period.value
        client.indices.put_index_template(name=name, body={**template, "_meta": meta})
    _extend_indices(client, found)
    for index in (FILES, QUARANTINE, AUDIT):
        if not client.indices.exists(index=index):
            client.indices.create(index=index, params={"wait_for_active_shards": "1"})
    return [*found.components, *found.templates]


def _extend_indices(client: OpenSearch, mappings: Mappings) -> None:
    """Map in the indices that exist what the enrichers write; templates reach new ones only."""
    events = f"{EVENTS_PREFIX}*"
    if not client.indices.exists(index=events, params={"allow_no_indices": "false"}):
        return
    enriched: dict[str, Any] = {}
    for name in mappings.templates[EVENTS_TEMPLATE]["composed_of"]:
        properties = mappings.components[name]["template"]["mappings"]["properties"]
        enriched |= properties.get("enriched", {}).get("properties", {})
    body = {"properties": {"enriched": {"properties": enriched}}}
    try:
        client.indices.put_mapping(index=events, body=body)
    except RequestError as err:
        reason = str(err.info["error"]["reason"]) if isinstance(err.info, dict) else err.error
        raise SchemaMismatchError(
            f"an events index maps a field otherwise than its enricher now does: {reason}. Give "
            "the field another name, or reindex first"
        ) from err


def _check_period(client: OpenSearch, period: Period) -> None:
    try:
        answer = client.indices.get_index_template(name=EVENTS_TEMPLATE)
    except NotFoundError:
        return
    installed = answer["index_templates"][0]["index_template"].get("_meta", {}).get("period")
    if installed not in (None, period.value):
        raise SchemaMismatchError(
            f"events are kept by {installed} in this cluster, the settings say {period.value}: "
            f"set ENRICHER_OPENSEARCH__PERIOD={installed}, or reindex first"
        )
