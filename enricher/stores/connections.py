"""The clients of OpenSearch and Redis: how they are reached, and as whom."""

from __future__ import annotations

import ssl
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import redis
from opensearchpy import OpenSearch, Transport
from opensearchpy.exceptions import ConnectionError as OpenSearchConnectionError
from opensearchpy.exceptions import (
    ConnectionTimeout,
    SerializationError,
    SSLError,
    TransportError,
)
from opensearchpy.serializer import JSONSerializer
from redis.backoff import NoBackoff
from redis.retry import Retry
from urllib3.exceptions import NewConnectionError

from enricher.cloudtrail import codec
from enricher.errors import ConfigurationError
from enricher.stores.patience import OVERLOADED, TRIES, pause_before

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta
    from pathlib import Path

    # Takes method, address, body and headers of a request; gives the headers that sign it.
    Signer = Callable[..., dict[str, str]]

_CONNECTIONS = 10  # of threads that ask at the same time; more of them cost one connection each
_READING = ("/_search", "/_msearch", "/_count")  # sent with POST, for they have a body
_NO_REFRESH = (
    "Amazon OpenSearch Serverless can only be read: it has no _refresh, on which delivery and late "
    "evidence rest; ingest into an Amazon OpenSearch Service domain (signing=es) or a cluster"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How one server is reached, and who asks.

    Attributes:
        url: Its address, without user or password.
        username: None where the password alone, a certificate or nothing at all is asked for.
        password: Never shown, not even by ``repr``.
        ca_file: Certificates of authorities to trust, PEM; None for the system's.
        client_certificate: Who asks, as a certificate, PEM.
        client_key: Its private key, PEM; None where the certificate's file holds it too.
        verify_certificates: Whether the server's certificate must be valid.
    """

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    verify_certificates: bool = True

    def tls(self) -> bool:
        """Say whether the address asks for TLS."""
        return urlsplit(self.url).scheme in ("https", "rediss")


def make_opensearch(
    access: Access,
    *,
    timeout: timedelta,
    signer: Signer | None = None,
    serverless: bool = False,
    repeats: bool = True,
) -> OpenSearch:
    """Make the client of a cluster; nothing is sent yet.

    Args:
        access: Where it is, and who asks.
        timeout: How long one request may take.
        signer: Signs each request in place of a password.
        repeats: Whether requests are sent again where a server is overloaded or loses an answer.
        serverless: It is a collection of Amazon OpenSearch Serverless, which is only read.

    Raises:
        ConfigurationError: If a certificate or key cannot be used.
    """
    login = (access.username, access.password) if access.username and access.password else None
    return OpenSearch(
        access.url,
        transport_class=_transport(serverless=serverless, repeats=repeats),
        http_auth=signer or login,
        ssl_context=tls_context(access) if access.tls() else None,
        timeout=timeout.total_seconds(),
        max_retries=0,  # its own repetitions come without a pause
        http_compress=False,
        serializer=_FastReader(),
        pool_maxsize=_CONNECTIONS,
    )


class _FastReader(JSONSerializer):
    """Reads answers by our own codec: the client's own took a tenth of a worker's time."""

    def loads(self, data: str) -> Any:  # noqa: ANN401 - the client's own
        """Read an answer.

        Raises:
            SerializationError: If it is not JSON, e.g. a proxy's page.
        """
        try:
            return codec.loads(data)
        except codec.JSONDecodeError as err:
            raise SerializationError(data, err) from err


def _transport(*, serverless: bool, repeats: bool) -> type[Transport]:
    if serverless:
        return _ReadOnlyTransport
    return _PatientTransport if repeats else Transport


class _PatientTransport(Transport):
    """Sends a request again while the server is overloaded, or where its answer was lost.

    Every request of ours may be repeated: documents are created under ids of their own, rewritten
    only as they were read, and bookkeeping replaces itself. Where nobody listens at all, whoever
    asked is told at once.
    """

    def perform_request(self, *args: Any, **more: Any) -> Any:  # noqa: ANN401 - the client's own
        """Send a request, a few times if need be."""
        for attempt in range(TRIES - 1):
            pause_before(attempt)
            try:
                return super().perform_request(*args, **more)
            except TransportError as err:
                if not _may_pass(err):
                    raise
        pause_before(TRIES - 1)
        return super().perform_request(*args, **more)


def _may_pass(err: TransportError) -> bool:
    if isinstance(err, ConnectionTimeout):
        return False  # that was patience enough for one request
    if isinstance(err, OpenSearchConnectionError):
        return not isinstance(err, SSLError) and not isinstance(err.info, NewConnectionError)
    return err.status_code in OVERLOADED


class _ReadOnlyTransport(Transport):
    """Lets only requests through that change nothing."""

    def perform_request(self, method: str, url: str, *args: Any, **more: Any) -> Any:  # noqa: ANN401 - the client's own
        """Send a request.

        Raises:
            ConfigurationError: If it would write, or needs what Serverless does not offer.
        """
        if method not in ("GET", "HEAD") and not any(name in url for name in _READING):
            raise ConfigurationError(_NO_REFRESH)
        return super().perform_request(method, url, *args, **more)


def make_redis(access: Access, *, patience: timedelta | None = None) -> redis.Redis:
    """Make the client of Redis or Valkey.

    Args:
        access: Where it is, and who asks.
        patience: How long to wait for a connection and for an answer; None for ever.

    Raises:
        ConfigurationError: If it refuses the credentials, or certificates do not fit. A server
            that is away is no error here: it may come back.
    """
    files = _redis_tls(access)
    client = redis.Redis.from_url(
        access.url,
        username=access.username,
        password=access.password,
        health_check_interval=30,
        socket_timeout=patience.total_seconds() if patience else None,
        socket_connect_timeout=patience.total_seconds() if patience else None,
        **files,
    )
    _check(access, files)
    return client


def _check(access: Access, files: Mapping[str, Any]) -> None:
    """Ask once: later on, a refused password looks like a server that is away."""
    once = redis.Redis.from_url(
        access.url,
        username=access.username,
        password=access.password,
        retry=Retry(NoBackoff(), 0),
        **files,
    )
    with closing(once):
        try:
            once.ping()
        except redis.AuthenticationError as err:
            raise ConfigurationError(
                "Redis refuses these credentials: set ENRICHER_REDIS__USERNAME and "
                "ENRICHER_REDIS__PASSWORD or ENRICHER_REDIS__PASSWORD_FILE"
            ) from err
        except redis.ConnectionError as err:
            if fault := tls_fault(err, "Redis"):
                raise ConfigurationError(fault) from err
        except redis.RedisError:
            return  # away, loading, or asking for what only the store can answer to


def broker_url(access: Access) -> str:
    """Give the address with its credentials, as Celery wants it; never to be shown or logged."""
    if access.password is None:
        return access.url
    user = quote(access.username or "", safe="")
    return access.url.replace("://", f"://{user}:{quote(access.password, safe='')}@", 1)


def broker_tls(access: Access) -> dict[str, Any] | None:
    """Give Celery's options for TLS; None where there is none."""
    return {**_redis_tls(access), "ssl_cert_reqs": ssl.CERT_REQUIRED} if access.tls() else None


def _redis_tls(access: Access) -> dict[str, Any]:
    if not access.tls():
        return {}
    tls_context(access)  # for its errors: this client would say less, and later
    files = {
        "ssl_ca_certs": access.ca_file,
        "ssl_certfile": access.client_certificate,
        "ssl_keyfile": access.client_key or access.client_certificate,
    }
    return {name: str(path) for name, path in files.items() if path}


def tls_context(access: Access) -> ssl.SSLContext:
    """Give what the access says of TLS as a client takes it.

    Raises:
        ConfigurationError: If a certificate or key cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=access.ca_file)
    except (OSError, ssl.SSLError) as err:
        raise ConfigurationError(f"{access.ca_file} holds no certificates, PEM") from err
    if not access.verify_certificates:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if access.client_certificate:
        try:
            # The empty password: an encrypted key is an error here, not a question on a terminal.
            context.load_cert_chain(access.client_certificate, access.client_key, password="")
        except (OSError, ssl.SSLError) as err:
            raise ConfigurationError(
                f"{access.client_certificate} and its key cannot be used: both must be PEM, the "
                "key not encrypted and that of the certificate"
            ) from err
    return context


def tls_fault(err: BaseException, server: str) -> str | None:
    """Say what is wrong with TLS, if that is behind an error, and which setting mends it.

    Only what stays wrong until somebody changes a setting: None for a connection that broke.

    Args:
        err: What a client raised.
        server: ``OpenSearch``, ``Redis`` or ``Dashboards``.
    """
    setting = f"ENRICHER_{server.upper()}__"
    seen: BaseException | None = err
    while seen is not None and not isinstance(seen, ssl.SSLError):
        inner = next((arg for arg in seen.args if isinstance(arg, BaseException)), None)
        seen = inner or seen.__cause__ or seen.__context__
    if isinstance(seen, ssl.SSLCertVerificationError):
        return (
            f"TLS with {server} fails: {seen.verify_message}; set {setting}CA_FILE to the "
            "authority that signed its certificate, and connect by a name that is in it"
        )
    reason = str(getattr(seen, "reason", ""))  # not every one of them has it
    if reason == "WRONG_VERSION_NUMBER":
        return f"{server} speaks no TLS there: change the beginning of {setting}URL"
    if "CERTIFICATE" in reason or "UNKNOWN_CA" in reason:  # e.g. TLSV13_ALERT_CERTIFICATE_REQUIRED
        return (
            f"TLS with {server} fails: {reason.lower().replace('_', ' ')}; set "
            f"{setting}CLIENT_CERTIFICATE to one that it accepts"
        )
    return None
