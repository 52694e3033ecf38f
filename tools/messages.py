"""The page about what targets are told of alerts, and the JSON schema of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from enricher.alerts import ocsf
from enricher.alerts.shown import MOST_CHARACTERS, MOST_VALUES, Notice
from enricher.cloudtrail import codec
from enricher.delivery_settings import EventBridgeSettings, SnsSettings, WebhookSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo


_TARGETS: dict[str, type[BaseModel]] = {
    "A webhook": WebhookSettings,
    "SNS": SnsSettings,
    "EventBridge": EventBridgeSettings,
}


def notice_schema() -> str:
    """Give the JSON schema of what targets are told."""
    schema = Notice.model_json_schema(mode="serialization")
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return codec.pretty(schema).decode()


def messages_page(written_by: str) -> str:
    """Give the page."""
    lines = [
        "# What targets are told of alerts",
        "",
        written_by,
        "[How to deliver alerts](../how-to/deliver-alerts.md) says how targets are set, how a",
        "signature is checked and what is tried again.",
        "",
        "## Settings of targets",
        "",
        "Each target is an object of `ENRICHER_DELIVERY__TARGETS`, by its name.",
        "",
        *_targets(),
        "## The format enricher",
        "",
        "JSON of this shape; [its schema](alert-notice.schema.json) says it for programs. Fields",
        "that do not apply are absent. Lists have their first",
        f"{MOST_VALUES} values and texts their first {MOST_CHARACTERS} characters: `shortened`",
        "says whether anything is missing.",
        "",
        *_shapes(),
        "## The format ocsf",
        "",
        f"A Detection Finding (`class_uid` 2004) of OCSF {ocsf.VERSION}, with the profile Cloud;",
        "later versions, up to 1.8.0, take it too. Tests hold it to their schemas.",
        "",
        "| field | what |",
        "| --- | --- |",
        *(f"| `{name}` | {what} |" for name, what in _FINDING.items()),
        "",
        "## The format slack",
        "",
        "`text` with the severity, the rule, who, what, and what to do next. Everything that comes",
        "from records stands in code spans, escaped: no link, no mention and no markup comes out",
        "of it.",
    ]
    return "\n".join(lines) + "\n"


_FINDING = {
    "metadata.uid": "the key: alert id and notable revision",
    "activity_id": "1 (Create) for a new alert, 2 (Update) for everything else",
    "finding_info.uid": "the alert's id",
    "finding_info.title": "the rule's title; `finding_info.analytic` has its id and version",
    "finding_info.attacks[]": "ATT&CK tactics and techniques, as the rule's tags name them",
    "finding_info.related_events[].uid": "event ids",
    "severity_id": "informational 1, low 2, medium 3, high 4, critical 5",
    "confidence_id": "of the origin: weak 1, moderate 2, strong and exact 3, none 0",
    "status_id": "open 1 (New), acknowledged 2 (In Progress), closed 4 (Resolved)",
    "evidences[0].actor": "the origin as `user`, its provider as `idp`, the root session",
    "evidences[0].api, .src_endpoint": "the first call and address; all of them under `data`",
    "resources[]": "targets of the calls",
    "cloud.account.uid, cloud.region": "the first account and region",
    "unmapped": "what OCSF has no words for: `origin` with its confidence and rule, `group` …",
}


def _targets() -> Iterator[str]:
    for title, model in _TARGETS.items():
        yield from (f"### {title}", "", "| key | default | what |", "| --- | --- | --- |")
        for name, field in model.model_fields.items():
            yield f"| `{name}` | {_default(field)} | {_said(field.description)} |"
        yield ""


def _default(field: FieldInfo) -> str:
    value = field.get_default()
    if field.is_required() or value in (None, ()):
        return ""
    return f"`{codec.dumps(value).decode()}`"


def _shapes() -> Iterator[str]:
    seen: list[type[BaseModel]] = [Notice]
    for model in seen:
        yield from (f"### {model.__name__}", "", _said(model.__doc__), "")
        yield from ("| field | type | what |", "| --- | --- | --- |")
        for name, field in model.model_fields.items():
            inner = list(_models(field.annotation))
            seen += [one for one in inner if one not in seen]
            yield f"| `{name}` | {_kind(field.annotation)} | {_said(field.description)} |"
        yield ""


def _models(kind: Any) -> Iterable[type[BaseModel]]:  # noqa: ANN401 - any annotation
    if hasattr(kind, "model_fields"):
        yield kind
    for part in getattr(kind, "__args__", ()):
        yield from _models(part)


def _kind(kind: Any) -> str:  # noqa: ANN401 - any annotation
    parts = [one for one in getattr(kind, "__args__", ()) if one not in (type(None), ...)]
    if getattr(kind, "__origin__", None) is tuple:
        return f"list of {_kind(parts[0])}"
    if getattr(kind, "__origin__", None) is dict:
        return "object"
    if parts:
        return " or ".join(_kind(one) for one in parts)
    names = {"str": "text", "int": "number", "bool": "boolean", "datetime": "time"}
    name = getattr(kind, "__name__", str(kind))
    return names.get(name, name if hasattr(kind, "model_fields") else "text")


def _said(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")
