"""Tokens of an identity provider, beside API keys.

References:
    - RFC 7519 (JWT), RFC 7517 (JWKS), RFC 8725 "JSON Web Token Best Current Practices":
      algorithms, issuer and audience are fixed here, never taken from the token.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import jwt
import structlog

from enricher.errors import UnavailableError
from enricher.stores.api_keys import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable

_ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "EdDSA")
_REQUIRED = ("exp", "iss", "aud", "sub")
_TIMEOUT_SECONDS = 5
_KEPT_SECONDS = 300
# A token may name any key: whoever makes tokens up must not make us ask the provider each time.
_PAUSE_SECONDS = 30
_PREFIX = "enricher:"
_LOG = structlog.get_logger("enricher.api")


class TokenVerifier:
    """Verifies tokens against the public keys of their issuer."""

    def __init__(self, issuer: str, audience: str, jwks_url: str, scope_claim: str) -> None:
        self._issuer, self._audience, self._scope_claim = issuer, audience, scope_claim
        self._client = jwt.PyJWKClient(
            jwks_url, timeout=_TIMEOUT_SECONDS, lifespan=_KEPT_SECONDS, cache_jwk_set=True
        )
        self._asked_at: float | None = None
        self._lock = threading.Lock()

    def verify(self, token: str) -> tuple[str, frozenset[Scope]] | None:
        """Give the subject of a token and what it may do; None where it is not valid.

        Raises:
            UnavailableError: If the issuer's keys cannot be had.
        """
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
            key = self._key(key_id) if isinstance(key_id, str) else None
            if key is None:
                return None
            claims = jwt.decode(
                token,
                key,
                algorithms=list(_ALGORITHMS),
                issuer=self._issuer,
                audience=self._audience,
                options={"require": list(_REQUIRED)},
            )
        except jwt.PyJWKClientError as err:
            _LOG.warning("issuer_away", error=type(err).__name__)
            raise UnavailableError("the issuer of tokens does not answer") from err
        except jwt.PyJWTError:
            return None
        return str(claims["sub"]), _scopes(claims.get(self._scope_claim))

    def _key(self, key_id: str) -> jwt.PyJWK | None:
        key = self._named(key_id, refresh=False)
        if key is None and self._may_ask():
            key = self._named(key_id, refresh=True)
        return key

    def _named(self, key_id: str, *, refresh: bool) -> jwt.PyJWK | None:
        keys = self._client.get_jwk_set(refresh=refresh).keys
        return next((key for key in keys if key.key_id == key_id), None)

    def _may_ask(self) -> bool:
        with self._lock:
            now = time.monotonic()
            due = self._asked_at is None or now - self._asked_at >= _PAUSE_SECONDS
            self._asked_at = now if due else self._asked_at
            return due


def _scopes(claim: Any) -> frozenset[Scope]:  # noqa: ANN401 - whatever the provider writes
    """Read the scopes among what a claim lists, as text or as a list; others are not ours."""
    listed: Iterable[object] = claim.split() if isinstance(claim, str) else claim or ()
    if not isinstance(listed, list):
        return frozenset()
    known = {f"{_PREFIX}{scope.value}": scope for scope in Scope}
    return frozenset(known[one] for one in listed if isinstance(one, str) and one in known)
