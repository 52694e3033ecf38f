"""Index templates: put the mappings into OpenSearch, and refuse what does not fit.

The JSON files in ``mappings/`` are the source; operators can read and compare them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opensearchpy.exceptions import NotFoundError

import enricher
from enricher.cloudtrail import codec
from enricher.errors import SchemaMismatchError
from enricher.stores.opensearch_digests import FILES
from enricher.stores.opensearch_ledger import AUDIT, QUARANTINE

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from enricher.pipeline.documents import Period

EVENTS_TEMPLATE = "cloudtrail-events"


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


def enriched_mapping(mappings: Mappings) -> dict[str, Any]:
    """Give the mapping of ``enriched`` as a whole: every component has a part of it."""
    whole: dict[str, Any] = {}
    for component in mappings.components.values():
        properties = component["template"]["mappings"]["properties"]
        whole = _joined(whole, properties.get("enriched", {}))
    return whole


def _joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    both = {
        name: _joined(one[name], other[name])
        for name in one.keys() & other.keys()
        if isinstance(one[name], dict)
    }
    return {**one, **other, **both}


def install(client: OpenSearch, period: Period, mappings: Mappings | None = None) -> list[str]:
    """Put templates in place, and the indices that exist from the start.

    Returns:
        What was installed, by name.

    Raises:
        SchemaMismatchError: If events were installed with another period.
    """
    found = mappings or load_mappings()
    _check_period(client, period)
    for name, body in found.components.items():
        client.cluster.put_component_template(name=name, body=body)
    for name, template in found.templates.items():
        meta = {**template.get("_meta", {})}
        if name == EVENTS_TEMPLATE:
            meta["period"] = period.value
        client.indices.put_index_template(name=name, body={**template, "_meta": meta})
    for index in (FILES, QUARANTINE, AUDIT):
        if not client.indices.exists(index=index):
            client.indices.create(index=index, params={"wait_for_active_shards": "1"})
        else:  # fields that came with a later version; those that it has stay as they are
            client.indices.put_mapping(
                index=index, body=found.templates[index]["template"]["mappings"]
            )
    return [*found.components, *found.templates]


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
