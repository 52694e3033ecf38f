"""Where the servers are, who asks them, and the clients that do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from enricher.errors import ConfigurationError
from enricher.server_settings import Signing
from enricher.stack import Endpoints, Stack
from enricher.stack import StackSettings as StackParameters
from enricher.stack.credentials import COMMANDS
from enricher.stores.connections import Access, make_opensearch, make_redis
from enricher.stores.dashboards_client import Dashboards

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

    import redis
    from opensearchpy import OpenSearch

    from enricher.server_settings import Connection
    from enricher.settings import Settings
    from enricher.stores.aws import AwsAccess
    from enricher.stores.connections import Signer


@dataclass(frozen=True)
class Reach:
    """The servers as the settings name them, each reached when it is first asked for.

    Attributes:
        patience: How long a server may take to answer, where no answer is better than a late one;
            None to wait as long as the settings say.
    """

    settings: Settings
    patience: timedelta | None = None

    @cached_property
    def stack(self) -> Stack:
        """The embedded servers."""
        chosen = self.settings.stack
        return Stack(
            StackParameters(
                data_dir=chosen.data_dir, cache_dir=chosen.cache_dir, heap=int(chosen.heap)
            )
        )

    @cached_property
    def endpoints(self) -> Endpoints:
        """Where the servers are: as set, else those of the embedded stack.

        Raises:
            ConfigurationError: If an address is neither set nor to be had from the stack.
        """
        opensearch_url = self.settings.opensearch.url
        redis_url = self.settings.redis.url
        if opensearch_url and redis_url:
            return Endpoints(opensearch_url=opensearch_url, redis_url=redis_url)
        running = self.stack.endpoints()
        if running is None:
            raise ConfigurationError(
                "no servers: start the embedded ones with `enricher stack up`, or set "
                "ENRICHER_OPENSEARCH__URL and ENRICHER_REDIS__URL"
            )
        return Endpoints(
            opensearch_url=opensearch_url or running.opensearch_url,
            redis_url=redis_url or running.redis_url,
            credentials=running.credentials,
        )

    @cached_property
    def opensearch_access(self) -> Access:
        """How the cluster is reached; a secure stack's own credentials where none are set."""
        chosen, stack = self.settings.opensearch, self.endpoints.credentials
        access = _access(chosen, self.endpoints.opensearch_url)
        access = replace(access, verify_certificates=chosen.verify_certificates)
        if chosen.url is not None or stack is None:
            return access
        access = replace(access, ca_file=access.ca_file or stack.authority)
        if access.username or access.client_certificate:
            return access
        password = content_of(stack.password_file(COMMANDS))
        return replace(access, username=COMMANDS, password=password)

    @cached_property
    def redis_access(self) -> Access:
        """How Redis is reached, likewise."""
        chosen, stack = self.settings.redis, self.endpoints.credentials
        access = _access(chosen, self.endpoints.redis_url)
        if chosen.url is not None or stack is None or access.password:
            return access
        password = content_of(stack.valkey_password_file)
        return replace(access, username=COMMANDS, password=password)

    @cached_property
    def opensearch(self) -> OpenSearch:
        """The client of the cluster."""
        chosen = self.settings.opensearch
        return make_opensearch(
            self.opensearch_access,
            timeout=self.patience or chosen.timeout,
            signer=self._signer,
            serverless=chosen.signing is Signing.AOSS,
            repeats=self.patience is None,
        )

    @cached_property
    def redis(self) -> redis.Redis:
        """The client of Redis or Valkey."""
        return make_redis(self.redis_access, patience=self.patience)

    def dashboards(self, url: str | None = None) -> Dashboards:
        """Give OpenSearch Dashboards.

        Args:
            url: Another address than the one that is set.

        Raises:
            ConfigurationError: If no address is known, or it holds a password.
        """
        chosen = self.settings.dashboards
        address = url or chosen.url
        if address is None:
            raise ConfigurationError(
                "where is OpenSearch Dashboards? Say --url https://… or set "
                "ENRICHER_DASHBOARDS__URL; `enricher dashboards export-file` writes a file to "
                "import by hand"
            )
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ConfigurationError(
                "the address of OpenSearch Dashboards begins with http:// or https:// and holds "
                "no password: set ENRICHER_DASHBOARDS__USERNAME and ENRICHER_DASHBOARDS__PASSWORD"
            )
        access = replace(_access(chosen, address), verify_certificates=chosen.verify_certificates)
        return Dashboards(access=access, timeout=chosen.timeout, tenant=chosen.tenant)

    def has_servers(self) -> bool:
        """Say whether servers are named or the embedded ones are up."""
        try:
            return bool(self.endpoints)
        except ConfigurationError:
            return False

    # AWS's client libraries take half a second to import, so only where they are used.

    @cached_property
    def aws(self) -> AwsAccess:
        """How AWS is reached."""
        from enricher.stores.aws import AwsAccess  # noqa: PLC0415

        chosen = self.settings.aws
        return AwsAccess(
            endpoint_url=chosen.endpoint_url,
            region=chosen.region,
            max_attempts=chosen.max_attempts,
        )

    @cached_property
    def _signer(self) -> Signer | None:
        signing = self.settings.opensearch.signing
        if signing is Signing.NONE:
            return None
        from enricher.stores.aws import request_signer  # noqa: PLC0415

        return request_signer(signing.value, self.aws)


def _access(chosen: Connection, url: str) -> Access:
    password = chosen.password.get_secret_value() if chosen.password else None
    return Access(
        url=url,
        username=chosen.username,
        password=content_of(chosen.password_file) if chosen.password_file else password,
        ca_file=chosen.ca_file,
        client_certificate=chosen.client_certificate,
        client_key=chosen.client_key,
    )


def content_of(secret: Path) -> str:
    """Read a file that holds one secret.

    Raises:
        ConfigurationError: If it cannot be read, or holds nothing.
    """
    try:
        content = secret.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigurationError(f"no secret can be read from {secret}") from err
    if not content:
        raise ConfigurationError(f"{secret} is empty: it is to hold a secret")
    return content
