"""People sign in with an API key and get a cookie that says nothing of it.

The cookie holds 256 bits of chance; what they stand for is kept in the memory of this process, by
their hash. It ends with the key, with its lifetime, or with the process.

References:
    - RFC 6265bis, "The SameSite attribute" and "Cookie name prefixes".
    - OWASP, "Cross-Site Request Forgery Prevention": fetch metadata, with the origin as fallback.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from enricher.api.gate import Caller

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from starlette.datastructures import Headers
    from starlette.requests import Request
    from starlette.responses import Response

    from enricher.stores.api_keys import FileApiKeys

_NAME = "enricher-sign-in"
_PREFIX = "__Host-"  # only over TLS, for this host alone, and for all of it
_TOKEN_BYTES = 32
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class _SignIn:
    key_id: str
    ends_at: float


class SignIns:
    """Who has signed in; when there are too many, the oldest ends.

    Args:
        keys: What opens anything.
        lifetime: How long one lasts.
        now: Seconds of a clock that only goes forward.
    """

    def __init__(
        self, keys: FileApiKeys, lifetime: timedelta, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._keys, self._now = keys, now
        self._seconds = lifetime.total_seconds()
        self._kept: OrderedDict[str, _SignIn] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, key: str) -> tuple[Caller, str] | None:
        """Sign in with a key; give who that is and what the cookie holds, None for a wrong key."""
        kept = self._keys.find(key)
        if kept is None:
            return None
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        with self._lock:
            self._kept[_hash(token)] = _SignIn(kept.id, self._now() + self._seconds)
            if len(self._kept) > _MOST:
                self._kept.popitem(last=False)
        return Caller(kept.id, kept.scopes), token

    def caller(self, token: str | None) -> Caller | None:
        """Say who holds this; None where it has ended, or its key has."""
        if not token:
            return None
        name = _hash(token)
        with self._lock:
            found = self._kept.get(name)
            if found is not None and found.ends_at <= self._now():
                del self._kept[name]
                found = None
        kept = self._keys.valid(found.key_id) if found else None
        return Caller(kept.id, kept.scopes) if kept else None

    def end(self, token: str | None) -> None:
        """Let it open nothing any more."""
        with self._lock:
            self._kept.pop(_hash(token or ""), None)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def token_of(request: Request) -> str | None:
    """Read the cookie, under the name that this connection gives it."""
    secure = _PREFIX + _NAME
    return request.cookies.get(secure) or (
        None if request.url.scheme == "https" else request.cookies.get(_NAME)
    )


def keep(response: Response, token: str, *, secure: bool) -> None:
    """Give the browser the cookie, for as long as it is open."""
    response.set_cookie(
        _PREFIX + _NAME if secure else _NAME,
        token,
        path="/",
        secure=secure,
        httponly=True,
        samesite="strict",
    )


def forget(response: Response) -> None:
    """Take the cookie from the browser, under each name."""
    for name, secure in ((_PREFIX + _NAME, True), (_NAME, False)):
        response.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="strict")


def is_secure(request: Request) -> bool:
    """Say whether the browser speaks TLS, to us or to a proxy: it says so in its origin."""
    origin = request.headers.get("origin", "")
    return request.url.scheme == "https" or origin.startswith("https://")


def is_own_form(headers: Headers) -> bool:
    """Say whether a form was sent from a page of ours, and not from elsewhere."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin", "")
    return bool(origin) and urlsplit(origin).netloc == headers.get("host")


def comes_from_elsewhere(headers: Headers) -> bool:
    """Say whether a link elsewhere led here: then browsers hold back a strict cookie."""
    return headers.get("sec-fetch-site") == "cross-site"
