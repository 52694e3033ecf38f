"""Signatures of webhooks, checked by the code that the docs give their receivers."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from enricher.alerts.deliver import Message
from enricher.stores.webhooks import headers_of, secret_bytes, signature
from tests.conventions.source import REPOSITORY

PAGE = REPOSITORY / "docs" / "how-to" / "deliver-alerts.md"
MESSAGE = Message(key="a:1", alert_id="a", severity="high", rule_id="r", body=b'{"a": 1}')
SECRET = b"a secret"


@pytest.fixture
def is_genuine() -> Any:  # noqa: ANN401 - the page's own function
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(found[1], names)  # noqa: S102 - our own page
    return names["is_genuine"]


def test_a_receiver_as_documented_takes_what_is_sent(is_genuine: Any) -> None:  # noqa: ANN401
    headers = headers_of(MESSAGE, SECRET, datetime.now(tz=UTC))
    assert is_genuine(headers, MESSAGE.body, SECRET)


@pytest.mark.parametrize("what", ["body", "id", "secret", "age", "signature"])
def test_a_receiver_as_documented_takes_nothing_else(is_genuine: Any, what: str) -> None:  # noqa: ANN401
    age = timedelta(minutes=6) if what == "age" else timedelta()
    headers = headers_of(MESSAGE, SECRET, datetime.now(tz=UTC) - age)
    if what == "id":
        headers["webhook-id"] = "a:2"
    if what == "signature":
        headers["webhook-signature"] = "v1,"
    body = MESSAGE.body + (b" " if what == "body" else b"")
    assert not is_genuine(headers, body, b"other" if what == "secret" else SECRET)


def test_a_signature_is_that_of_the_specification() -> None:
    """The example of Standard Webhooks' own libraries."""
    secret = secret_bytes("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    found = signature("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}', secret)
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_is_text_or_base64() -> None:
    assert secret_bytes("plain") == b"plain"
    assert secret_bytes("whsec_" + base64.b64encode(b"key").decode()) == b"key"
    with pytest.raises(ValueError, match="Base64"):
        secret_bytes("whsec_%")


def test_without_a_secret_nothing_is_signed() -> None:
    assert "webhook-signature" not in headers_of(MESSAGE, None, datetime.now(tz=UTC))
