"""OpenSearch Dashboards: its saved objects, put there through its import API.

References:
    - OpenSearch Dashboards, "Saved objects APIs": ``POST /api/saved_objects/_import``. An answer of
      200 may say that nothing was written: ``success`` and ``errors`` do.
    - OpenSearch Security, "Dashboards multi-tenancy": the header ``securitytenant``.
"""

from __future__ import annotations

import warnings
from base64 import b64encode
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import urllib3
from urllib3.exceptions import HTTPError, InsecureRequestWarning

from enricher.assets import asset
from enricher.cloudtrail import codec
from enricher.errors import ConfigurationError, UnavailableError
from enricher.stores.connections import tls_context, tls_fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from enricher.stores.connections import Access

INVESTIGATE = "http://127.0.0.1:8480/investigate"  # what the file has, as an address to replace
_IMPORT = "/api/saved_objects/_import?overwrite=true"
_FILE = "enricher.ndjson"  # the API refuses other endings
_MOST_FAULTS = 5
_BUSY = (429, 502, 503, 504)


def load_saved_objects(investigate_url: str = INVESTIGATE) -> bytes:
    """Read the saved objects that come with this version, as NDJSON.

    Args:
        investigate_url: Where the investigation page is; links lead there. It holds neither quote
            nor backslash, so that it can stand in the JSON as it is.
    """
    content = (asset("dashboards") / _FILE).read_bytes()
    return content.replace(INVESTIGATE.encode(), investigate_url.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboards:
    """One OpenSearch Dashboards.

    Attributes:
        tenant: Tenant of the Security plugin that is asked in; the header says nothing elsewhere.
    """

    access: Access
    timeout: timedelta
    tenant: str = "global"

    def install(self, objects: bytes) -> int:
        """Put saved objects in place of those with the same ids; safe to repeat.

        Args:
            objects: As NDJSON.

        Returns:
            How many are there now.

        Raises:
            ConfigurationError: If it refuses them, or who asks, or is no OpenSearch Dashboards.
            UnavailableError: If it does not answer, is still starting or too busy.
        """
        with self._translated(), self._pool() as pool, warnings.catch_warnings():
            # Who switched the check of certificates off knows.
            warnings.simplefilter("ignore", InsecureRequestWarning)
            answer = pool.request(
                "POST",
                f"{self.access.url.rstrip('/')}{_IMPORT}",
                fields={"file": (_FILE, objects, "application/ndjson")},
                headers=self._headers() | {"Accept": "application/json"},
                timeout=self.timeout.total_seconds(),
                retries=False,  # a redirect leads to a page to sign in: that is no answer
            )
        return _installed(answer.status, answer.data)

    def _headers(self) -> dict[str, str]:
        headers = {"osd-xsrf": "true", "securitytenant": self.tenant}
        if self.access.username and self.access.password:
            login = f"{self.access.username}:{self.access.password}".encode()
            headers["authorization"] = f"Basic {b64encode(login).decode()}"
        return headers

    def _pool(self) -> urllib3.PoolManager:
        return urllib3.PoolManager(
            ssl_context=tls_context(self.access) if self.access.tls() else None
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except HTTPError as err:
            if fault := tls_fault(err, "Dashboards"):
                raise ConfigurationError(fault) from err
            raise UnavailableError(
                f"OpenSearch Dashboards does not answer at {self.access.url}; is it up, and is "
                "ENRICHER_DASHBOARDS__URL its address?"
            ) from err


def _installed(status: int, body: bytes) -> int:
    answer = _parsed(body)
    if status in (401, 403):
        raise ConfigurationError(
            "OpenSearch Dashboards does not let this user write saved objects: set "
            "ENRICHER_DASHBOARDS__USERNAME and ENRICHER_DASHBOARDS__PASSWORD or "
            "ENRICHER_DASHBOARDS__PASSWORD_FILE to one who may"
        )
    if status in _BUSY:
        raise UnavailableError(
            f"OpenSearch Dashboards is starting or busy (HTTP {status}); try again in a minute"
        )
    if answer is None:
        raise ConfigurationError(
            f"what answers is no OpenSearch Dashboards, or wants another way to sign in (HTTP "
            f"{status}); set ENRICHER_DASHBOARDS__URL to its address, with its base path"
        )
    if status != 200 or answer.get("success") is not True:  # noqa: PLR2004 - HTTP's word for it
        raise ConfigurationError(
            f"OpenSearch Dashboards refuses saved objects (HTTP {status}): {_faults(answer)}. "
            "It must be version 3"
        )
    count = answer.get("successCount")
    return count if isinstance(count, int) else 0


def _parsed(body: bytes) -> dict[str, Any] | None:
    try:
        answer = codec.loads(body)
    except codec.JSONDecodeError:
        return None
    return answer if isinstance(answer, dict) else None


def _faults(answer: dict[str, Any]) -> str:
    """Say what an answer complains of; it may be about many objects in the same way."""
    errors = answer.get("errors")
    if not isinstance(errors, list) or not errors:
        return str(answer.get("message", "it does not say why"))
    told = [_fault(one) for one in errors[:_MOST_FAULTS]]
    more = len(errors) - len(told)
    return "; ".join([*told, f"and {more} more"] if more else told)


def _fault(error: dict[str, Any]) -> str:
    why: Any = error.get("error") or {}
    missing = [f"{one.get('type')} {one.get('id')}" for one in why.get("references", ())]
    reason = " ".join([str(why.get("type")), *missing])
    return f"{error.get('type')} {error.get('id')}: {reason}"
