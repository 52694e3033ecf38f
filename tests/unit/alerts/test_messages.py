"""What targets are told: in three forms, bounded, and harmless whatever records hold."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from enricher.alerts.alert import Alert, OriginShown, RuleShown, alert_of, found_again
from enricher.alerts.chat import chat_message
from enricher.alerts.deliver import Format, message
from enricher.alerts.ocsf import VERSION, attacks, detection_finding
from enricher.alerts.shown import AlertShown, Notice, notice, shown
from enricher.cloudtrail import codec
from enricher.stores.aws_notices import MOST_BYTES
from tests.unit.alerts.test_alert import LATER, RULE, alert, content

VERSIONS = ("1.3.0", "1.4.0", "1.5.0", "1.6.0", "1.7.0", "1.8.0")
HOSTILE = (
    "<!channel> <@U024BE7LH> <https://evil.example|click> [click](https://evil.example) @here "
    "`*b* & \x1b[31m\u202e www.evil.example \n> quoted"
)


def full(**more: Any) -> Alert:  # noqa: ANN401
    """An alert that has everything."""
    values: dict[str, Any] = {
        "rule": RuleShown(
            id="r",
            title="Denied burst",
            level="high",
            tags=("attack.t1078.004", "attack.initial-access", "attack.defense_evasion", "cve.1"),
            version="1",
            next_steps=("Ask alice.", "Revoke the session."),
        ),
        "origin": OriginShown(
            status="resolved",
            kind="iam_user",
            id="AIDACKCEVSQ6C2EXAMPLE",
            arn="arn:aws:iam::111122223333:user/alice",
            name="alice",
            account_id="111122223333",
            account_name="prod",
            identity_provider="okta",
            confidence="exact",
            rule="L1",
            human=True,
        ),
        "actions": ("s3.amazonaws.com:GetObject", "iam.amazonaws.com:CreateUser"),
        "targets": ("arn:aws-cn:s3:::bucket", "table"),
        "sources": ("203.0.113.7", "AWS Internal"),
        "accounts": ("111122223333", "444455556666"),
        "regions": ("us-east-1",),
        **more,
    }
    found: Alert = msgspec.structs.replace(alert("e1", "e2"), **values)
    return found


def empty() -> Alert:
    """An alert that has next to nothing."""
    found: Alert = msgspec.structs.replace(alert("e1"), origin=OriginShown(), accounts=())
    return found


def hostile() -> Alert:
    """An alert whose every text somebody chose to do harm."""
    texts = tuple(f"{HOSTILE}{number}" * 200 for number in range(200))
    lists = dict.fromkeys(
        ("event_ids", "accounts", "regions", "actions", "targets", "sources", "origins"), texts
    )
    text = texts[0]
    origin = OriginShown(name=text, arn=text, id=text, kind=text, account_id=text)
    one = msgspec.structs.replace(alert("e1"), **lists)
    return found_again(
        one, RULE, msgspec.structs.replace(content("e1"), **lists, origin=origin), LATER
    )


@cache
def schema(version: str) -> Draft202012Validator:
    known = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=version))
    return Draft202012Validator(
        known.get_class_schema(class_name="detection_finding", profiles=["cloud"])
    )


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("one", [full(), empty(), hostile()], ids=["full", "empty", "hostile"])
def test_a_finding_is_one_for_ocsf(version: str, one: Alert) -> None:
    found = codec.loads(codec.dumps(detection_finding(one)))
    assert found["metadata"]["version"] == VERSION == VERSIONS[0]
    faults = [
        f"{list(err.path)}: {err.message[:200]}" for err in schema(version).iter_errors(found)
    ]
    assert faults == []


def test_a_finding_says_what_ocsf_has_words_for() -> None:
    found = detection_finding(full())
    assert (found["class_uid"], found["type_uid"]) == (2004, 200401)
    assert (found["severity_id"], found["confidence_id"], found["status_id"]) == (4, 3, 1)
    assert found["metadata"]["uid"] == "a:1"
    evidence = found["evidences"][0]
    assert evidence["actor"]["user"]["uid"] == "arn:aws:iam::111122223333:user/alice"
    assert evidence["actor"]["session"] == {"uid": "s"}
    assert evidence["api"] == {
        "operation": "GetObject",
        "service": {"name": "s3.amazonaws.com"},
    }
    assert evidence["src_endpoint"] == {"ip": "203.0.113.7"}
    assert found["resources"][0] == {"uid": "arn:aws-cn:s3:::bucket", "cloud_partition": "aws-cn"}
    assert found["cloud"]["account"]["uid"] == "111122223333"
    assert found["remediation"]["desc"] == "Ask alice.\nRevoke the session."
    upgraded = found_again(full(), RULE, content("e1", "e2"), LATER)
    assert (detection_finding(upgraded)["activity_id"], upgraded.notable_revision) == (2, 2)


def test_techniques_are_read_from_tags() -> None:
    assert attacks(["attack.t1078.004", "attack.initial-access", "attack.s0001", "cve.2021"]) == [
        {"technique": {"uid": "T1078"}, "sub_technique": {"uid": "T1078.004"}},
        {"tactic": {"uid": "TA0001", "name": "Initial Access"}},
    ]


def test_a_notice_says_why_it_is_sent() -> None:
    told = notice(found_again(alert("1"), RULE, content("1", name="alice"), LATER))
    assert (told.key, told.what.value) == ("a:2", "upgraded")
    assert told.after == {"name": "alice"}
    assert not told.shortened
    assert Notice.model_validate_json(told.model_dump_json()) == told


def test_everything_of_an_alert_can_be_shown() -> None:
    names = set(Alert.__struct_fields__)
    assert names - set(AlertShown.model_fields) == {"key", "tell_at"}
    assert set(AlertShown.model_fields) <= names
    for name in ("origin", "rule", "session"):
        inner: Any = AlertShown.model_fields[name].annotation
        kind = {"origin": OriginShown, "rule": RuleShown}.get(name)
        if kind is not None:
            assert set(inner.model_fields) == set(kind.__struct_fields__)
    assert shown(alert_of(full().document())).origin.name == "alice"


@pytest.mark.parametrize("form", Format)
def test_a_message_is_bounded_whatever_records_hold(form: Format) -> None:
    found = message(hostile(), form)
    assert len(found.body) + 1024 < MOST_BYTES
    assert found.key == "a:2"


def test_nothing_in_a_chat_message_is_read_as_markup() -> None:
    text = chat_message(hostile())["text"]
    assert not re.search(r"[<>\x00-\x09\x0b-\x1f\u202e]", text)
    assert re.sub(r"&(amp|lt|gt);", "", text).count("&") == 0
    # What was quoted stands in spans, each closed in its line; nothing of it is outside them.
    for line in text.split("\n"):
        assert line.count("`") % 2 == 0
        outside = "".join(line.split("`")[::2])
        assert not re.search(r"@|://|www|\[|\]|evil", outside), line
    assert chat_message(hostile())["unfurl_links"] is False


def test_a_chat_message_tells_who_did_what() -> None:
    lines = chat_message(full())["text"].split("\n")
    assert lines[0] == "*HIGH* (new alert): `Denied burst`"
    assert lines[1] == (
        "Who: `alice` `arn:aws:iam::111122223333:user/alice` (`resolved`, confidence `exact`)"
    )
    assert "Next: `Revoke the session.`" in lines
    assert "Who: unknown (`no reason given`)" in chat_message(empty())["text"]
