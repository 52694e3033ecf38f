"""Settings that say how servers are reached, and who asks them."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Self
from urllib.parse import urlsplit

from annotated_types import Ge, Le
from pydantic import BaseModel, ByteSize, ConfigDict, Field, FilePath, SecretStr, model_validator

from enricher.pipeline.documents import Period
from enricher.stores.dashboards_client import INVESTIGATE


class Section(BaseModel):
    """One group of settings; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Connection(Section):
    """How one server is reached, and who asks."""

    url: str | None = None
    """Address, without user or password; without it the embedded stack's, when that is up."""
    username: str | None = None
    """User to ask as; none where the server asks for none."""
    password: SecretStr | None = None
    """That user's password."""
    password_file: FilePath | None = None
    """File that holds the password instead, e.g. a mounted secret; a final line break is cut."""
    ca_file: FilePath | None = None
    """Certificates of authorities to trust, PEM; without it the system's."""
    client_certificate: FilePath | None = None
    """Certificate to ask with, PEM; it may hold the key too."""
    client_key: FilePath | None = None
    """Private key of that certificate, PEM, not encrypted."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.password and self.password_file:
            raise ValueError("password and password_file are two ways to say one thing: set one")
        if self.username and not (self.password or self.password_file):
            raise ValueError("there is a username without password or password_file")
        if self.client_key and not self.client_certificate:
            raise ValueError("there is a client_key without its client_certificate")
        if self.url is not None:
            self._agree_with(self.url)
        return self

    def _agree_with(self, url: str) -> None:
        parts = urlsplit(url)
        if "@" in parts.netloc:
            raise ValueError("the url is shown to people: set username and password apart from it")
        if (self.ca_file or self.client_certificate) and parts.scheme in ("http", "redis"):
            raise ValueError(f"certificates need a url of {parts.scheme}s://")


class Signing(StrEnum):
    """Whether requests are signed as AWS wants it, and for which of its services."""

    NONE = "none"
    ES = "es"
    AOSS = "aoss"


class OpenSearchSettings(Connection):
    """Where the events go."""

    signing: Signing = Signing.NONE
    """Sign requests for Amazon OpenSearch Service (es) or Serverless (aoss), or not (none)."""
    verify_certificates: bool = True
    """Whether TLS certificates must be valid."""
    timeout: timedelta = timedelta(seconds=60)
    """How long one request may take."""
    bulk_bytes: ByteSize = ByteSize(8 * 1024 * 1024)
    """Size of one bulk request's body at most."""
    period: Period = Period.MONTH
    """How much time one events index holds: day or month. Fixed when it is installed."""

    @model_validator(mode="after")
    def _sign_or_ask(self) -> Self:
        if self.signing is Signing.NONE:
            return self
        if self.username or self.password or self.password_file or self.client_certificate:
            raise ValueError(
                f"signing={self.signing.value} asks as the AWS identity of this process: leave "
                "username, password, password_file and client_certificate unset"
            )
        if self.url is None or urlsplit(self.url).scheme != "https":
            raise ValueError(f"signing={self.signing.value} needs a url of https://")
        return self


class RedisSettings(Connection):
    """Where the evidence and the task queue live."""

    retention: timedelta = timedelta(days=30)
    """How long evidence is kept after it was last published. It can be rebuilt at any time."""


class DashboardsSettings(Connection):
    """OpenSearch Dashboards, for `enricher dashboards install`."""

    url: str | None = None
    """Address, with its base path, without user or password."""
    verify_certificates: bool = True
    """Whether TLS certificates must be valid."""
    timeout: timedelta = timedelta(seconds=60)
    """How long one request may take."""
    tenant: str = "global"
    """Tenant of the Security plugin that gets them; without that plugin it says nothing."""
    investigate_url: Annotated[str, Field(pattern=r"^https?://[!#-\[\]-~]+$")] = INVESTIGATE
    """Address of the investigation page, to which links lead."""


class AwsSettings(Section):
    """S3 and SQS. Credentials come from AWS's own chain, never from here."""

    endpoint_url: str | None = None
    """Another address than AWS's own, e.g. of a server that speaks S3."""
    region: str | None = None
    """Region to ask; without it AWS's own configuration says, or the queue's address."""
    requester_pays: bool = False
    """Whether to pay for the requests where a bucket asks for that."""
    max_attempts: Annotated[int, Ge(1), Le(20)] = 5
    """Tries of one request, the first included."""
