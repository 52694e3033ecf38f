"""The fields of an index pattern, from the mapping.

An index pattern that is shipped without its fields makes every browser that opens it write them
back, once for each panel, and needs the index to exist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from enricher.stores.templates import load_mappings

if TYPE_CHECKING:
    from collections.abc import Iterator

_TYPES = {
    "keyword": "string",
    "text": "string",
    "flat_object": "string",
    "boolean": "boolean",
    "ip": "ip",
    "date": "date",
    **dict.fromkeys(("byte", "short", "integer", "long", "float", "double"), "number"),
}
_NOT_AGGREGATED = ("text", "flat_object")
_META = (("_id", True), ("_index", True), ("_score", False), ("_source", False), ("_type", False))


def fields_of(template: str) -> list[dict[str, Any]]:
    """Give the fields of an index template as Dashboards keeps them, by name.

    Of a template that is not there, those that every index has.
    """
    found = [_meta(name, found=searchable) for name, searchable in _META]
    mappings = load_mappings()
    body = mappings.templates.get(template, {})
    parts = [mappings.components[name] for name in body.get("composed_of", ())]
    for one in (*parts, body):
        properties = one.get("template", {}).get("mappings", {}).get("properties", {})
        found += _leaves(properties, properties, "")
    return sorted(found, key=lambda field: str(field["name"]))


def _leaves(properties: dict[str, Any], top: dict[str, Any], path: str) -> Iterator[dict[str, Any]]:
    for name, mapping in properties.items():
        whole = f"{path}{name}"
        if "properties" in mapping:
            yield from _leaves(mapping["properties"], top, f"{whole}.")
        elif mapping.get("enabled") is not False:
            kind = mapping["type"]
            yield _field(whole, top[mapping["path"]]["type"] if kind == "alias" else kind)
            for sub, inner in mapping.get("fields", {}).items():
                parent = {"multi": {"parent": whole}}
                yield {**_field(f"{whole}.{sub}", inner["type"]), "subType": parent}


def _field(name: str, kind: str) -> dict[str, Any]:
    aggregated = kind not in _NOT_AGGREGATED
    return {
        "name": name,
        "type": _TYPES[kind],
        "esTypes": [kind],
        "count": 0,
        "scripted": False,
        "searchable": True,
        "aggregatable": aggregated,
        "readFromDocValues": aggregated,
    }


def _meta(name: str, *, found: bool) -> dict[str, Any]:
    kind = {"_source": "_source", "_score": "number"}.get(name, "string")
    return {
        "name": name,
        "type": kind,
        "esTypes": [] if name == "_score" else [name],
        "count": 0,
        "scripted": False,
        "searchable": found,
        "aggregatable": found,
        "readFromDocValues": False,
    }
