"""Index templates: put the mappings into OpenSearch, and refuse what does not fit.

The JSON files in ``mappings/`` are the source; operators can read and compare them. Those of the
built-in enrichers are written from the fields that these declare (``make docs``); plug-ins have no
file there, their fields are mapped as they declare them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opensearchpy.exceptions import NotFoundError, RequestError

from enricher.alerts.fields import fields_of
from enricher.assets import asset
from enricher.cloudtrail import codec
from enricher.enrichers.fields import component_template
from enricher.enrichers.registry import ENVELOPE, ENVELOPE_VERSION
from enricher.errors import ConfigurationError, SchemaMismatchError
from enricher.pipeline.documents import EVENTS_PREFIX
from enricher.stores.opensearch_baseline import BASELINE
from enricher.stores.opensearch_client import translated
from enricher.stores.opensearch_digests import FILES
from enricher.stores.opensearch_ledger import AUDIT, QUARANTINE
from enricher.stores.opensearch_rules import RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from opensearchpy import OpenSearch

    from enricher.alerts.fields import Fields
    from enricher.enrichers.interface import Enricher
    from enricher.pipeline.documents import Period

EVENTS_TEMPLATE = "cloudtrail-events"
CUSTOM = "cloudtrail-custom"
_CUSTOM_AT_FIRST: dict[str, Any] = {
    "template": {},
    "_meta": {"description": "Yours: settings and mappings of new events indices, above ours."},
}
_FROM_THE_START = (FILES, QUARANTINE, AUDIT, RULES, BASELINE)
_DIGEST = "digest"
ENVELOPE_COMPONENT = "cloudtrail-enriched"


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


def enriched_mapping(mappings: Mappings) -> dict[str, Any]:
    """Give the mapping of ``enriched`` as a whole: every component has a part of it."""
    whole: dict[str, Any] = {}
    for component in mappings.components.values():
        properties = component["template"]["mappings"]["properties"]
        whole = joined(whole, properties.get("enriched", {}))
    return whole


def joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Give two objects as one; where both have a value, the other's stands."""
    both = {
        name: joined(one[name], other[name])
        for name in one.keys() & other.keys()
        if isinstance(one[name], dict)
    }
    return {**one, **other, **both}


def event_fields(mappings: Mappings) -> Fields:
    """Give the fields that events have, with their types."""
    events = mappings.templates[EVENTS_TEMPLATE]
    parts = [mappings.components[name] for name in events["composed_of"]]
    return fields_of(part["template"]["mappings"] for part in parts)


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
    searchable there once it is enriched again. The component template ``cloudtrail-custom`` is for
    the cluster's people, e.g. for the number of shards: it is made where it is not there, stands
    above all others, and is never changed.

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
    wanted = _marked(with_enrichers(mappings or load_mappings(), enrichers), period)
    with translated():
        _check_period(client, period)
        for name, body in wanted.components.items():
            client.cluster.put_component_template(name=name, body=body)
        if not client.cluster.exists_component_template(name=CUSTOM):
            client.cluster.put_component_template(name=CUSTOM, body=_CUSTOM_AT_FIRST)
        for name, body in wanted.templates.items():
            client.indices.put_index_template(name=name, body=body)
        _extend_indices(client, wanted)
        for index in _FROM_THE_START:
            if not client.indices.exists(index=index):
                client.indices.create(index=index, params={"wait_for_active_shards": "1"})
            else:  # fields that came with a later version; those that it has stay as they are
                mapping = wanted.templates[index]["template"]["mappings"]
                client.indices.put_mapping(index=index, body=mapping)
    return [*wanted.components, *wanted.templates]


def ensure(client: OpenSearch, period: Period, enrichers: Sequence[Enricher] = ()) -> None:
    """Install, unless all of it is there as this version has it.

    Who ingests after somebody else's installation needs no right to change templates.

    Raises:
        SchemaMismatchError: If events were installed with another period.
    """
    if not is_installed(client, period, enrichers):
        install(client, period, enrichers)


def is_installed(client: OpenSearch, period: Period, enrichers: Sequence[Enricher] = ()) -> bool:
    """Say whether everything is there as this version has it."""
    wanted = _marked(with_enrichers(load_mappings(), enrichers), period)
    with translated():
        components = _installed(client.cluster.get_component_template, "component_template")
        templates = _installed(client.indices.get_index_template, "index_template")
        complete = client.indices.exists(index=",".join(_FROM_THE_START))
    same = all(
        installed.get(name) == body["_meta"][_DIGEST]
        for bodies, installed in ((wanted.components, components), (wanted.templates, templates))
        for name, body in bodies.items()
    )
    return same and complete


def _installed(get: Callable[..., Any], kind: str) -> dict[str, str | None]:
    """Give the digest of every template of ours that is installed, by name."""
    try:
        found = get(name="cloudtrail-*")[f"{kind}s"]
    except NotFoundError:
        return {}
    return {one["name"]: one[kind].get("_meta", {}).get(_DIGEST) for one in found}


def _marked(mappings: Mappings, period: Period) -> Mappings:
    """Note in each body's ``_meta`` what tells it from another version's."""

    def marked(name: str, body: dict[str, Any]) -> dict[str, Any]:
        meta = {**body.get("_meta", {})}
        if name == EVENTS_TEMPLATE:
            meta["period"] = period.value
            body = {**body, "composed_of": [*body["composed_of"], CUSTOM]}
        digest = codec.digest({**body, "_meta": meta})
        return {**body, "_meta": {**meta, _DIGEST: digest}}

    return Mappings(
        components={name: marked(name, body) for name, body in mappings.components.items()},
        templates={name: marked(name, body) for name, body in mappings.templates.items()},
    )


def load_roles() -> dict[str, dict[str, Any]]:
    """Read the roles of the Security plugin, by name: what each of our parts may do."""
    roles: dict[str, dict[str, Any]] = codec.loads(
        (asset("mappings") / "security" / "roles.json").read_bytes()
    )
    return roles


def install_roles(client: OpenSearch) -> list[str]:
    """Put the roles in place; who has them is for the cluster's administrator to say.

    Returns:
        Their names.

    Raises:
        ConfigurationError: If the cluster has no Security plugin, or does not let this user.
    """
    roles = load_roles()
    for name, role in roles.items():
        try:
            with translated():
                client.security.create_role(role=name, body=role)
        except (NotFoundError, RequestError) as err:
            raise ConfigurationError(
                "this cluster takes no roles: it has no Security plugin, or another version of it"
            ) from err
    return list(roles)


def _extend_indices(client: OpenSearch, mappings: Mappings) -> None:
    """Map in the indices that exist what the enrichers write; templates reach new ones only."""
    events = f"{EVENTS_PREFIX}*"
    if not client.indices.exists(index=events, params={"allow_no_indices": "false"}):
        return
    enriched: dict[str, Any] = {}
    for component in mappings.components.values():
        properties = component["template"]["mappings"]["properties"]
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
