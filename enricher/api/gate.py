"""Before every call: who asks, how often, how much; after it: what was done, in the audit.

It stands before the application, so that nothing of a request is read before it is known who sent
it, and also what fails is written down.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders

from enricher.api import metrics, problems
from enricher.api.problems import ProblemError
from enricher.errors import ConfigurationError, UnavailableError
from enricher.stores.api_keys import PREFIX, Scope
from enricher.stores.opensearch_audit import ApiCall

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Send
    from starlette.types import Scope as AsgiScope

    from enricher.api.limits import RateLimit
    from enricher.api.oidc import TokenVerifier
    from enricher.stores.api_keys import FileApiKeys
    from enricher.stores.opensearch_audit import OpenSearchAuditLog

GUARDED = "/v1/"
ALSO_GUARDED = frozenset({"/metrics"})
PAGE = "/investigate"  # asks who it is that comes by itself, as people sign in
KEY_HEADER = "X-API-Key"
_LOG = structlog.get_logger("enricher.api")
# Nothing here is a page: no browser is to run, frame or keep what logs hold.
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and what for they may."""

    id: str
    scopes: frozenset[Scope]


@dataclass(frozen=True, slots=True)
class Guard:
    """What decides who is let in."""

    keys: FileApiKeys
    tokens: TokenVerifier | None
    rate: RateLimit
    strangers: RateLimit
    audit: OpenSearchAuditLog
    request_bytes: int

    def admit(self, headers: Headers, client: str | None) -> Caller:
        """Say who asks.

        Raises:
            ProblemError: 401 or 429.
            UnavailableError: If it cannot be told now.
        """
        caller = self._caller(headers)
        if caller is None:
            self.slow_down_stranger(client)
            raise ProblemError(
                401,
                "not-authenticated",
                f"send a valid API key as {KEY_HEADER}, or as a bearer token; "
                "`enricher api-keys create` makes one",
                {"WWW-Authenticate": 'Bearer realm="enricher"'},
            )
        self.slow_down(caller)
        return caller

    def slow_down(self, caller: Caller) -> None:
        """Count a call of somebody who is known.

        Raises:
            ProblemError: 429.
        """
        self._slow_down(self.rate.wait(caller.id))

    def slow_down_stranger(self, client: str | None) -> None:
        """Count a call of somebody who is not.

        Raises:
            ProblemError: 429.
        """
        self._slow_down(self.strangers.wait(client or ""))

    def _caller(self, headers: Headers) -> Caller | None:
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        token = bearer.strip() if scheme.lower() == "bearer" else ""
        key = headers.get(KEY_HEADER) or (token if token.startswith(f"{PREFIX}_") else "")
        if key:
            kept = self.keys.find(key)
            return Caller(kept.id, kept.scopes) if kept else None
        found = self.tokens.verify(token) if self.tokens and token else None
        return Caller(f"oidc:{found[0]}", found[1]) if found else None

    @staticmethod
    def _slow_down(seconds: float) -> None:
        if seconds:
            headers = {"Retry-After": str(math.ceil(seconds))}
            raise ProblemError(429, "too-many-calls", "too many calls: slow down", headers)


class Gate:
    """The middleware that does it."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app, self._guard = app, guard

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Let one request through, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call = _Call(scope)
        guarded = scope["path"].startswith(GUARDED) or scope["path"] in ALSO_GUARDED
        try:
            if guarded and not await self._admit(call, receive, send):
                return
            limited = _limited(receive, call, self._guard.request_bytes)
            await self._app(scope, limited, call.marking(send))
        finally:
            metrics.count_call(call.route, call.status, call.seconds)
            if scope["path"].startswith((GUARDED, PAGE)):
                await run_in_threadpool(self._write_down, call)

    async def _admit(self, call: _Call, receive: Receive, send: Send) -> bool:
        try:
            caller = await run_in_threadpool(self._guard.admit, call.headers, call.client)
        except ProblemError as err:
            refusal = problems.answer(
                call.id, err.status_code, err.kind, err.detail, headers=dict(err.headers or {})
            )
        except (UnavailableError, ConfigurationError) as err:
            _LOG.error("callers_unknown", request_id=call.id, error=str(err))
            refusal = problems.answer(
                call.id, 503, "unavailable", "who asks cannot be told now: try again"
            )
        else:
            call.admitted(caller)
            return True
        await refusal(call.scope, receive, call.marking(send))
        return False

    def _write_down(self, call: _Call) -> None:
        done = call.done()
        if done.status == _LIMITED:
            return  # or whoever asks too often would fill the audit
        try:
            self._guard.audit.write(done)
        except (UnavailableError, ConfigurationError) as err:
            metrics.NOT_AUDITED.inc()
            _LOG.error("call_not_audited", error=str(err), call=vars_of(done))


_LIMITED = 429


def vars_of(call: ApiCall) -> dict[str, Any]:
    """Give what is written down of a call, for the log."""
    return {name: getattr(call, name) for name in ApiCall.__dataclass_fields__ if name != "at"}


class _Call:
    """One request, as far as it is known."""

    def __init__(self, scope: AsgiScope) -> None:
        self.scope = scope
        self.id = uuid4().hex
        self.status = 500  # until an answer begins
        self.began = time.monotonic()
        self.headers = Headers(scope=scope)
        self.client = scope["client"][0] if scope.get("client") else None
        scope.setdefault("state", {})["request_id"] = self.id

    def admitted(self, caller: Caller) -> None:
        self.scope["state"]["caller"] = caller

    @property
    def caller(self) -> Caller | None:
        """Who asks, once that is known."""
        found: Caller | None = self.scope["state"].get("caller")
        return found

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    @property
    def route(self) -> str | None:
        """The template of the route that took it, known once it is through."""
        path = getattr(self.scope.get("route"), "path", None)
        return path if isinstance(path, str) else None

    def marking(self, send: Send) -> Send:
        """Note the status, and mark the answer."""

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = self.id
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        return marked

    def done(self) -> ApiCall:
        return ApiCall(
            at=datetime.now(tz=UTC),
            request_id=self.id,
            key_id=caller.id if (caller := self.caller) else None,
            client=self.client,
            method=self.scope["method"],
            route=self.route,
            status=self.status,
            duration_ms=round(self.seconds * 1000),
        )


def _limited(receive: Receive, call: _Call, most: int) -> Receive:
    """Read a body as far as it may go."""
    read = 0
    said = call.headers.get("content-length", "")

    async def limited() -> Message:
        nonlocal read
        if said.isdecimal() and int(said[:20]) > most:
            raise _too_large(most)
        message = await receive()
        read += len(message.get("body", b""))
        if read > most:
            raise _too_large(most)
        return message

    return limited


def _too_large(most: int) -> ProblemError:
    return ProblemError(413, "too-large", f"a request may have {most:,} bytes at most")
