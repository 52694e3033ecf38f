"""Index templates: put the mappings into OpenSearch, and refuse what does not fit.

The JSON files in ``mappings/`` are the source; operators can read and compare them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opensearchpy.exceptions import NotFoundError

from enricher.assets import asset
from enricher.cloudtrail import codec
from enricher.errors import SchemaMismatchError
from enricher.stores.opensearch_ledger import AUDIT, FILES, QUARANTINE

if TYPE_CHECKING:
    from pathlib import Path

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
    root = directory or asset("mappings")
    return Mappings(components=_load(root / "component"), templates=_load(root / "index"))


def _load(directory: Path) -> dict[str, dict[str, Any]]:
    return {path.stem: codec.loads(path.read_bytes()) for path in sorted(directory.glob("*.json"))}


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
