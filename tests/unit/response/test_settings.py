"""Plans are applied only where somebody allowed it."""

from __future__ import annotations

import pytest

from enricher.bootstrap import Container
from enricher.errors import ConfigurationError
from enricher.settings import load_settings
from enricher.stores.aws_containment import ResponderRole

HOME, DATA = "111122223333", "444455556666"


def settings(monkeypatch: pytest.MonkeyPatch, **values: str) -> Container:
    names = {f"ENRICHER_{name}": value for name, value in values.items()}
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    return Container(load_settings(names))


def test_it_is_off_unless_it_is_switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    container = settings(monkeypatch, CONTAINMENT__ROLE_NAME="Responder")
    with pytest.raises(ConfigurationError, match="ENRICHER_CONTAINMENT__ENABLED"):
        container.containing  # noqa: B018 - raises


def test_it_needs_a_role(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="role_name or roles"):
        settings(monkeypatch, CONTAINMENT__ENABLED="true")


def test_roles_are_named_by_account(monkeypatch: pytest.MonkeyPatch) -> None:
    arn = f"arn:aws:iam::{DATA}:role/security/Other"
    container = settings(
        monkeypatch,
        CONTAINMENT__ENABLED="true",
        CONTAINMENT__ROLE_NAME="Responder",
        CONTAINMENT__ROLES=f'{{"{DATA}": "{arn}"}}',
        OPENSEARCH__URL="http://127.0.0.1:9",
        REDIS__URL="redis://127.0.0.1:9",
    )
    assert container.containing.records is container.containment_records
    chosen = container.settings.containment
    role = ResponderRole(name=chosen.role_name, arns=chosen.roles)
    assert role.arn_in(HOME, "aws") == f"arn:aws:iam::{HOME}:role/Responder"
    assert role.arn_in(DATA, "aws") == arn
