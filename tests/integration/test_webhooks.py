"""Webhooks over real sockets: signatures, answers of every kind, certificates, and time."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from datetime import timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest

from enricher.alerts.deliver import Message
from enricher.alerts.errors import DeliveryError
from enricher.stack.credentials import Credentials
from enricher.stack.issuing import issue
from enricher.stores.guarded_network import Guard
from enricher.stores.webhooks import Webhook, secret_bytes
from tests.integration.receiver import receiving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.receiver import Receiver

MESSAGE = Message(key="a:1", alert_id="a", severity="high", rule_id="r", body=b'{"a":"\xc3\xa9"}')
SECRET = "whsec_" + base64.b64encode(b"a key of thirty-two random bytes").decode()
HERE = Guard((ip_network("127.0.0.0/8"), ip_network("::1/128")))
TIMEOUT = timedelta(seconds=2)


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with receiving(tmp_path_factory.mktemp("receiver")) as found:
        yield found


def webhook(url: str, guard: Guard = HERE, ca_file: Path | None = None) -> Webhook:
    return Webhook(
        url=url, secret=secret_bytes(SECRET), guard=guard, timeout=TIMEOUT, ca_file=ca_file
    )


def test_a_message_is_signed_as_standard_webhooks_has_it(receiver: Receiver) -> None:
    webhook(f"{receiver.url}/200").send(MESSAGE)
    heard = receiver.at("/200")[-1]
    headers = heard["headers"]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{heard['body']}"
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.digest(key, signed.encode(), hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["webhook-id"] == "a:1"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 10
    assert headers["content-type"] == "application/json"
    assert heard["body"].encode() == MESSAGE.body


@pytest.mark.parametrize(("path", "reason"), [("/500", "answered-500"), ("/moved", "redirected")])
def test_what_is_no_acknowledgment_is_a_failure(receiver: Receiver, path: str, reason: str) -> None:
    before = len(receiver.at("/200"))
    with pytest.raises(DeliveryError, match=reason):
        webhook(receiver.url + path).send(MESSAGE)
    assert len(receiver.at(path)) == 1
    assert len(receiver.at("/200")) == before  # nobody followed


@pytest.mark.parametrize("path", ["/slow", "/hangs"])
def test_an_exchange_ends_in_time_however_slowly_it_is_answered(
    receiver: Receiver, path: str
) -> None:
    began = time.monotonic()
    with pytest.raises(DeliveryError, match="timeout"):
        webhook(receiver.url + path).send(MESSAGE)
    assert time.monotonic() - began < TIMEOUT.total_seconds() + 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1"])
def test_this_machine_is_not_reached_unless_it_is_allowed(receiver: Receiver, host: str) -> None:
    before = len(receiver.heard)
    url = receiver.url.replace("127.0.0.1", host)
    with pytest.raises(DeliveryError, match="address-refused"):
        webhook(f"{url}/200", Guard()).send(MESSAGE)
    assert len(receiver.heard) == before


def test_nobody_there_is_a_failure() -> None:
    with pytest.raises(DeliveryError, match="connection-failed"):
        webhook("http://127.0.0.1:9/").send(MESSAGE)


def test_a_certificate_has_to_be_vouched_for(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path / "credentials")
    issue(credentials)
    certificate, key = credentials.certificate("node"), credentials.key("node")
    with receiving(tmp_path, certificate, key) as secure:
        for trusted in (None, credentials.authority):
            url = f"{secure.url.replace('127.0.0.1', 'localhost')}/200"
            sending = webhook(url, ca_file=trusted)
            if trusted is None:
                with pytest.raises(DeliveryError, match="certificate-refused"):
                    sending.send(MESSAGE)
            else:
                sending.send(MESSAGE)
        assert len(secure.heard) == 1
