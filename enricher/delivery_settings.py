"""Settings that say who is told of alerts."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from annotated_types import Ge, Le
from pydantic import Field, FilePath, IPvAnyNetwork, field_validator, model_validator

from enricher.alerts.deliver import Format, Kind
from enricher.server_settings import Section

Level = Literal["informational", "low", "medium", "high", "critical"]
_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_SECURE = "https"


class TargetSettings(Section):
    """What all targets have."""

    level: Level = "medium"
    """Only alerts of this severity or worse."""
    format: Format = Format.ENRICHER
    """`enricher`, `ocsf`, or for webhooks `slack`."""


class WebhookSettings(TargetSettings):
    """A webhook."""

    kind: Literal[Kind.WEBHOOK]
    """`webhook`."""
    url: str | None = None
    """Its address."""
    url_file: FilePath | None = None
    """File that holds the address instead, where that is a secret, as Slack's is."""
    secret_file: FilePath | None = None
    """File that holds the secret to sign with: any text, or `whsec_` and Base64."""
    allow: tuple[IPvAnyNetwork, ...] = ()
    """Networks that are not public and may be reached, e.g. `["10.1.2.0/24"]`."""
    without_tls: bool = False
    """Whether the address may begin with `http://`."""
    ca_file: FilePath | None = None
    """Certificates of authorities to trust, PEM; without it the system's."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if bool(self.url) == bool(self.url_file):
            raise ValueError("a webhook has a url or a url_file, and not both")
        if self.url is not None:
            check_url(self.url, without_tls=self.without_tls)
        if self.secret_file is None and self.format is not Format.SLACK:
            raise ValueError("a webhook signs what it sends: set its secret_file")
        return self


class AwsTargetSettings(TargetSettings):
    """What targets in AWS have."""

    region: str | None = None
    """Its region; without it, the one of AWS's ordinary configuration."""
    endpoint_url: str | None = None
    """Another address than AWS's own."""

    @model_validator(mode="after")
    def _no_chat(self) -> Self:
        if self.format is Format.SLACK:
            raise ValueError("format slack is for webhooks")
        return self


class SnsSettings(AwsTargetSettings):
    """A topic of SNS."""

    kind: Literal[Kind.SNS]
    """`sns`."""
    topic_arn: Annotated[str, Field(pattern=r"^arn:[^:]+:sns:[^:]+:\d{12}:[\w.-]+$")]
    """Its ARN; of a FIFO topic too."""

    @property
    def region_of_topic(self) -> str:
        """Its region."""
        return self.region or self.topic_arn.split(":")[3]


class EventBridgeSettings(AwsTargetSettings):
    """A bus of EventBridge."""

    kind: Literal[Kind.EVENTBRIDGE]
    """`eventbridge`."""
    bus: Annotated[str, Field(min_length=1, max_length=1600)] = "default"
    """Its name or ARN."""
    source: Annotated[str, Field(pattern=r"^[A-Za-z0-9_./-]+$", max_length=256)] = "enricher"
    """`source` of the events; those that begin with `aws.` are AWS's own."""

    @field_validator("source")
    @classmethod
    def _ours(cls, source: str) -> str:
        if source.startswith("aws."):
            raise ValueError("sources that begin with aws. are AWS's own")
        return source


AnyTarget = Annotated[
    WebhookSettings | SnsSettings | EventBridgeSettings, Field(discriminator="kind")
]


class DeliverySettings(Section):
    """Who is told of alerts."""

    targets: dict[str, AnyTarget] = Field(default_factory=dict)
    """Who is told, by name, as JSON; docs/how-to/deliver-alerts.md lists what each can have."""
    attempts: Annotated[int, Ge(1), Le(100)] = 12
    """How often a target is tried before it is given up; `enricher alerts resend` begins anew."""
    backoff: timedelta = timedelta(seconds=30)
    """How long after a first failure a target is tried again; doubled each time."""
    longest_backoff: timedelta = timedelta(hours=1)
    """Until it is that long."""
    timeout: timedelta = timedelta(seconds=10)
    """How long one exchange with a target may take."""

    @field_validator("targets")
    @classmethod
    def _named(cls, targets: dict[str, AnyTarget]) -> dict[str, AnyTarget]:
        if not all(_NAME.fullmatch(name) for name in targets):
            raise ValueError("a target's name is of small letters, digits and hyphens")
        return targets

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if not timedelta() < self.timeout <= timedelta(minutes=1):
            raise ValueError("timeout is longer than nothing, and a minute at most")
        if not timedelta() < self.backoff <= self.longest_backoff:
            raise ValueError("backoff is longer than nothing, and longest_backoff no shorter")
        return self


def check_url(url: str, *, without_tls: bool) -> None:
    """Check the address of a webhook.

    Raises:
        ValueError: If it is none, holds a password, or is not secure without being allowed to.
    """
    parts = urlsplit(url)
    if parts.scheme not in (_SECURE, "http") or not parts.hostname:
        raise ValueError("the address of a webhook begins with https://")
    if "@" in parts.netloc:
        raise ValueError("the address of a webhook holds no user or password")
    if parts.scheme != _SECURE and not without_tls:
        raise ValueError("the address of a webhook begins with https://, or set without_tls")
