"""Tells webhooks of alerts: signed, only over the guarded network, and never redirected.

References:
    - Standard Webhooks specification 1.0: the headers ``webhook-id``, ``webhook-timestamp`` and
      ``webhook-signature``, and how a signature is made.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpcore

import enricher
from enricher.alerts.errors import DeliveryError
from enricher.stores.guarded_network import GuardedNetwork

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

    from enricher.alerts.deliver import Message
    from enricher.stores.guarded_network import Guard

SECRET_PREFIX = "whsec_"  # noqa: S105 - what a secret begins with
MOST_BYTES = 512 * 1024
_FIRST_SUCCESS, _FIRST_REDIRECT, _FIRST_FAULT = 200, 300, 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Tells one address.

    Attributes:
        url: Where it is; it may hold a secret, and is never shown.
        secret: What messages are signed with; None to send them unsigned.
        timeout: How long one exchange may take, from the look-up of its name to the answer.
        ca_file: Certificates of authorities to trust, PEM; None for the usual ones.
    """

    url: str
    secret: bytes | None
    guard: Guard
    timeout: timedelta
    ca_file: Path | None = None

    def send(self, message: Message) -> None:
        """Tell it, and take any answer of 200 to 299 for an acknowledgment.

        Raises:
            DeliveryError: If there is none.
        """
        if len(message.body) > MOST_BYTES:
            raise DeliveryError("message-too-large")
        status = self._exchange(message)
        if status < _FIRST_SUCCESS or status >= _FIRST_FAULT:
            raise DeliveryError(f"answered-{status}")
        if status >= _FIRST_REDIRECT:
            raise DeliveryError("redirected")

    def _exchange(self, message: Message) -> int:
        network = GuardedNetwork(self.guard, self.timeout.total_seconds())
        context = ssl.create_default_context(cafile=self.ca_file)
        headers = headers_of(message, self.secret, datetime.now(tz=UTC))
        try:
            with (
                # A connection of its own for each message: each is looked up and checked anew.
                httpcore.ConnectionPool(ssl_context=context, network_backend=network) as pool,
                # What is answered is of no interest: it is not even read.
                pool.stream("POST", self.url, headers=headers, content=message.body) as answer,
            ):
                return answer.status
        except httpcore.TimeoutException as err:
            raise DeliveryError("timeout") from err
        except ssl.SSLError as err:
            raise DeliveryError("certificate-refused") from err
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as err:
            reason = "certificate-refused" if _is_of_tls(err) else "connection-failed"
            raise DeliveryError(reason) from err


def headers_of(
    message: Message, secret: bytes | None, at: datetime
) -> dict[bytes | str, bytes | str]:
    """Give the headers of a message: what it is, and its signature over that, time and body."""
    timestamp = str(int(at.timestamp()))
    headers: dict[bytes | str, bytes | str] = {
        "Content-Type": "application/json",
        "User-Agent": f"enricher/{enricher.__version__}",
        "webhook-id": message.key,
        "webhook-timestamp": timestamp,
    }
    if secret is not None:
        headers["webhook-signature"] = signature(message.key, timestamp, message.body, secret)
    return headers


def signature(key: str, timestamp: str, body: bytes, secret: bytes) -> str:
    """Sign a message: HMAC-SHA256 over id, timestamp and body, joined by dots; in Base64."""
    signed = b".".join((key.encode(), timestamp.encode(), body))
    digest = hmac.new(secret, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def secret_bytes(text: str) -> bytes:
    """Read a secret: ``whsec_`` and Base64, or any other text as it is.

    Raises:
        ValueError: If what follows ``whsec_`` is no Base64.
    """
    if not text.startswith(SECRET_PREFIX):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as err:
        raise ValueError("after whsec_, a secret is Base64") from err


def host_of(url: str) -> str:
    """Give what may be shown of an address: its scheme and host."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}"


def _is_of_tls(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
