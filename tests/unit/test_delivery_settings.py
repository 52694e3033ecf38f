"""Who is told of alerts, as the settings say it: what fits, and what is said where it does not."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from enricher.alerts.deliver import Format, Kind
from enricher.cloudtrail import codec
from enricher.errors import ConfigurationError
from enricher.notifying import targets_of
from enricher.settings import load_settings
from enricher.stores.webhooks import Webhook

if TYPE_CHECKING:
    from pathlib import Path

    from enricher.delivery_settings import DeliverySettings

TOPIC = "arn:aws:sns:eu-west-1:111122223333:alerts"


@pytest.fixture
def secret(tmp_path: Path) -> str:
    path = tmp_path / "secret"
    path.write_text("a secret\n")
    return str(path)


def read(monkeypatch: pytest.MonkeyPatch, **targets: dict[str, Any]) -> DeliverySettings:
    monkeypatch.setenv("ENRICHER_DELIVERY__TARGETS", codec.dumps(targets).decode())
    return load_settings({}).delivery


def test_targets_are_read_from_json(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    hook = {"kind": "webhook", "url": "https://example.org/x", "secret_file": secret}
    found = targets_of(
        read(
            monkeypatch,
            soc=hook,
            pager={"kind": "sns", "topic_arn": TOPIC, "level": "critical"},
            lake={"kind": "eventbridge", "format": "ocsf"},
        )
    )
    assert {name: (one.kind, one.level, one.format) for name, one in found.items()} == {
        "soc": (Kind.WEBHOOK, "medium", Format.ENRICHER),
        "pager": (Kind.SNS, "critical", Format.ENRICHER),
        "lake": (Kind.EVENTBRIDGE, "medium", Format.OCSF),
    }
    sender = found["soc"].sender()
    assert isinstance(sender, Webhook)
    assert sender.secret == b"a secret"
    assert sender.guard.allowed == ()
    assert sender.timeout == timedelta(seconds=10)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"url": "http://example.org/"}, "begins with https://"),
        ({"url": "ftp://example.org/", "without_tls": True}, "begins with https://"),
        ({"url": "https://"}, "begins with https://"),
        ({"url": "https://me:pass@example.org/"}, "no user or password"),
        ({"url": None}, "a url or a url_file"),
        ({"secret_file": None}, "secret_file"),
        ({"secret_file": "/nonexistent"}, "does not point to a file"),
        ({"level": "bad"}, "LEVEL"),
        ({"format": "xml"}, "FORMAT"),
        ({"allow": ["10.0.0.1/8"]}, "not a valid IPv4 or IPv6 network"),
        ({"kind": "email"}, "webhook"),
        ({"unknown": 1}, "UNKNOWN"),
        ({"kind": "sns", "topic_arn": "alerts"}, "TOPIC_ARN"),
    ],
)
def test_what_does_not_fit_is_said(
    monkeypatch: pytest.MonkeyPatch, secret: str, change: dict[str, Any], said: str
) -> None:
    hook = {"kind": "webhook", "url": "https://example.org/", "secret_file": secret, **change}
    with pytest.raises(ConfigurationError, match=said):
        read(monkeypatch, soc={name: one for name, one in hook.items() if one is not None})


@pytest.mark.parametrize("name", ["", "SOC", "a.b", "1", "a" * 33])
def test_a_name_is_plain(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(ConfigurationError, match="name"):
        read(monkeypatch, **{name: {"kind": "eventbridge"}})


def test_aws_takes_no_chat_messages_and_no_source_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ConfigurationError, match="slack is for webhooks"):
        read(monkeypatch, a={"kind": "sns", "topic_arn": TOPIC, "format": "slack"})
    with pytest.raises(ConfigurationError, match="AWS's own"):
        read(monkeypatch, a={"kind": "eventbridge", "source": "aws.ec2"})


def test_an_address_and_a_secret_in_files_are_looked_at_when_they_are_needed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, secret: str
) -> None:
    url = tmp_path / "url"
    url.write_text("http://example.org/")
    found = read(monkeypatch, a={"kind": "webhook", "url_file": str(url), "secret_file": secret})
    with pytest.raises(ConfigurationError, match=r"target a: .*https://"):
        targets_of(found)["a"].sender()
    url.write_text("https://example.org/")
    (tmp_path / "secret").write_text("whsec_%%%")
    with pytest.raises(ConfigurationError, match="Base64"):
        targets_of(found)["a"].sender()
