"""Field formats: values that lead somewhere, values that have a color, and times.

Dashboards percent-encodes a value before it puts it into an address. What is inside quotes of
rison, the notation of its addresses, is escaped here; a value that holds a quote itself breaks its
own link and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.dashboards.ids import object_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.dashboards.definitions import Link

_COLUMNS = (
    "enriched.origin.name",
    "enriched.chain_text",
    "eventName",
    "enriched.target.names",
    "enriched.outcome.status",
    "sourceIPAddress",
)
# "%" first: what is put in for the others holds it.
_ENCODED = {"%": "%25", '"': "%22", " ": "%20", "#": "%23", "&": "%26", "+": "%2B"}


def linked(link: Link) -> dict[str, Any]:
    """Give the format of a field whose values lead somewhere."""
    params = {
        "type": "a",
        "urlTemplate": link.address or _address(link),
        "labelTemplate": "{{value}}",
        "openLinkInCurrentTab": link.address is None,
    }
    return {"id": "url", "params": params}


def colored(colors: Mapping[str, str]) -> dict[str, Any]:
    """Give the format of a field whose values have a color each."""
    ranges = [
        {
            "range": "-Infinity:Infinity",
            "regex": f"^{value}$",
            "text": "#FFFFFF",
            "background": color,
        }
        for value, color in colors.items()
    ]
    return {"id": "color", "params": {"fieldType": "string", "colors": ranges}}


def dated() -> dict[str, Any]:
    """Give the format of a time: as it sorts, and in whole seconds, as CloudTrail has them."""
    return {"id": "date", "params": {"pattern": "YYYY-MM-DD HH:mm:ss"}}


def _address(link: Link) -> str:
    query = f"query:(language:kuery,query:'{_quoted(link.query)}')"
    times = f"_g=(time:(from:now-{link.days}d,to:now))"
    if link.dashboard:
        place = object_id(link.dashboard)
        return f"../app/dashboards#/view/{place}?{times}&_a=(filters:!(),{query})"
    columns = ",".join(_COLUMNS)
    view = f"discover:(columns:!({columns}),isDirty:!f,sort:!(!(eventTime,desc)))"
    state = f"_a=({view},metadata:(indexPattern:{object_id(link.index)},view:discover))"
    return f"../app/data-explorer/discover#?{state}&_q=(filters:!(),{query})&{times}"


def _quoted(query: str) -> str:
    """Write a query inside quotes of rison, inside an address; ``{{value}}`` stays."""
    escaped = query.replace("!", "!!").replace("'", "!'")
    for character, encoded in _ENCODED.items():
        escaped = escaped.replace(character, encoded)
    return escaped
