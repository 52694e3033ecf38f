"""All settings: one model, read once from the environment, prefix ``ENRICHER_``.

Nested names are joined by two underscores, e.g. ``ENRICHER_OPENSEARCH__URL``.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from annotated_types import Ge, Gt, Le
from platformdirs import user_cache_path, user_data_path
from pydantic import (
    BaseModel,
    ByteSize,
    Field,
    FilePath,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from enricher.cloudtrail.reading import InputLimits
from enricher.delivery_settings import DeliverySettings
from enricher.errors import ConfigurationError
from enricher.server_settings import (
    AwsSettings,
    DashboardsSettings,
    OpenSearchSettings,
    RedisSettings,
    Section,
)

# Read by others: the tests' own switches, and where completion scripts live.
_NOT_OURS = ("ENRICHER_TEST_", "ENRICHER_DEMO_")
# A record nested some 600 deep makes OpenSearch 3.4 overflow its stack and exit; 150 is harmless.
_DEEPEST_SAFE_NESTING = 150


class InputSettings(Section):
    """What a log file may hold at most; what goes beyond is refused with its reason."""

    inflated_bytes: ByteSize = ByteSize(1024**3)
    """Size of one file after gunzip."""
    record_bytes: ByteSize = ByteSize(2 * 1024 * 1024)
    """Size of one record as compact JSON."""
    depth: Annotated[int, Ge(8), Le(_DEEPEST_SAFE_NESTING)] = 100
    """Nesting of one record."""
    records: Annotated[int, Ge(1)] = 2_000_000
    """Records in one file."""

    def limits(self) -> InputLimits:
        """Give the limits as the reader takes them."""
        return InputLimits(
            inflated_bytes=int(self.inflated_bytes),
            record_bytes=int(self.record_bytes),
            depth=self.depth,
            records=self.records,
        )


class PipelineSettings(Section):
    """How records become events."""

    enrich_at_ingest: bool = True
    """Enrich in the first write what can be; otherwise every document is written raw first."""
    window: timedelta = timedelta(hours=24)
    """How long a document waits for evidence that has not come."""
    batch_records: Annotated[int, Ge(1), Le(50_000)] = 5_000
    """Records of one file that are resolved and written together."""


class EnrichersSettings(Section):
    """Which enrichers run; `enricher enrichers list` shows them."""

    enabled: str = ""
    """Names of those that run, in this order, separated by commas; empty for all there are."""
    disabled: str = ""
    """Names of those that do not run, separated by commas."""


class NamesSettings(Section):
    """What accounts are called."""

    accounts_file: Path | None = None
    """JSON file of account ids and names; `enricher accounts sync` writes it."""


class GeoSettings(Section):
    """Where addresses are: databases of your own; without them the enricher geo does not run."""

    city_file: Path | None = None
    """Database of cities or countries in MaxMind's format (.mmdb)."""
    asn_file: Path | None = None
    """Database of autonomous systems in MaxMind's format (.mmdb)."""


class ContainmentSettings(Section):
    """Whether containment plans may be applied, and as whom."""

    enabled: bool = False
    """Whether plans may be applied; otherwise they are only made."""
    role_name: str | None = None
    """Name of the responder role, the same in every account."""
    roles: dict[str, str] = Field(default_factory=dict)
    """ARN of the responder role by account id, as JSON, for accounts where it is another."""
    external_id: str | None = None
    """External id that the responder roles' trust policies ask for."""
    management_account: Annotated[str, Field(pattern=r"^\d{12}$")] | None = None
    """Management account of the organization: service control policies do not reach it."""

    @model_validator(mode="after")
    def _name_a_role(self) -> Self:
        if self.enabled and not (self.role_name or self.roles):
            raise ValueError("containment needs a responder role: set role_name or roles")
        return self


class AlertsSettings(Section):
    """Alert rules, and how often they judge what is new."""

    enabled: bool = True
    """Whether the scheduler has rules evaluated."""
    interval: timedelta = timedelta(seconds=10)
    """How often they are."""
    look_back: timedelta = timedelta(minutes=15)
    """How far the first evaluation looks back, and each in an index that it did not know."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.interval < timedelta(seconds=1):
            raise ValueError("interval is a second at least")
        if self.look_back < self.interval:
            raise ValueError("look_back is no shorter than interval")
        return self


class WorkerSettings(Section):
    """The Celery workers."""

    concurrency: Annotated[int, Ge(1), Le(256)] = 2
    """Processes of one worker."""
    time_limit: timedelta = timedelta(minutes=10)
    """How long one task may take before its process is ended."""
    metrics_port: Annotated[int, Ge(1), Le(65_535)] | None = None
    """Where Prometheus scrapes this worker; without it, nothing is served."""
    metrics_address: str = "127.0.0.1"
    """Address on which that port is served. Whoever reaches it can read the numbers."""


class ApiSettings(Section):
    """The HTTP API."""

    address: str = "127.0.0.1"
    """Address on which it listens."""
    port: Annotated[int, Ge(1), Le(65_535)] = 8480
    """Port on which it listens."""
    tls_certificate: FilePath | None = None
    """Certificate to answer with, PEM, with those that vouch for it."""
    tls_key: FilePath | None = None
    """Private key of that certificate, PEM, not encrypted."""
    without_tls: bool = False
    """Whether to listen beyond this machine without TLS, e.g. behind a proxy that has it."""
    keys_file: Path = Field(default_factory=lambda: user_data_path("enricher") / "api-keys.json")
    """File of API keys, hashed; `enricher api-keys` writes it."""
    rate: Annotated[float, Gt(0)] = 20.0
    """Calls a second that one caller may make in the long run, or one address without a key."""
    burst: Annotated[int, Ge(1)] = 40
    """Calls that one caller may make at once."""
    request_bytes: ByteSize = ByteSize(8 * 1024 * 1024)
    """Size of a request's body at most."""
    sign_in_lifetime: timedelta = timedelta(hours=8)
    """How long a sign-in on the investigation page lasts."""
    enrich_records: Annotated[int, Ge(1), Le(50_000)] = 1_000
    """Records that are enriched in one call at most."""
    page_events: Annotated[int, Ge(1), Le(10_000)] = 500
    """Events of one page at most."""
    timeline_events: Annotated[int, Ge(1)] = 50_000
    """Events of one timeline at most."""
    query_timeout: timedelta = timedelta(seconds=5)
    """How long one query may take in OpenSearch."""
    query_events: Annotated[int, Ge(1)] = 2_000_000
    """Events of a shard that one query counts at most."""
    oidc_issuer: str | None = None
    """Issuer of tokens that are taken beside API keys; without it, none are."""
    oidc_audience: str | None = None
    """Audience that these tokens must name."""
    oidc_jwks_url: str | None = None
    """Where the issuer's public keys are."""
    oidc_scope_claim: str = "scope"
    """Claim of these tokens that lists enricher:read, enricher:respond, enricher:admin."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("tls_certificate and tls_key go together: set both or none")
        oidc = (self.oidc_issuer, self.oidc_audience, self.oidc_jwks_url)
        if any(oidc) and not all(oidc):
            raise ValueError("oidc_issuer, oidc_audience and oidc_jwks_url go together: set all")
        return self


class ClientSettings(Section):
    """Where commands ask that need no servers of their own."""

    url: str | None = None
    """Address of an API that is asked instead of the servers, e.g. by `enricher who`."""
    api_key: SecretStr | None = None
    """API key to ask with."""
    api_key_file: FilePath | None = None
    """File that holds the key instead, e.g. a mounted secret; a final line break is cut."""
    ca_file: FilePath | None = None
    """Certificates of authorities to trust, PEM; without it the usual ones."""


class StackSettings(Section):
    """The embedded OpenSearch and Valkey."""

    data_dir: Path = Field(default_factory=lambda: user_data_path("enricher") / "stack")
    """Where their data lives."""
    cache_dir: Path = Field(default_factory=lambda: user_cache_path("enricher"))
    """Where the server's downloaded parts are kept."""
    heap: ByteSize = ByteSize(1024**3)
    """Memory of the OpenSearch node's heap."""


class LogFormat(StrEnum):
    """How log lines are written."""

    CONSOLE = "console"
    JSON = "json"


class Settings(BaseSettings):
    """Every setting of the enricher."""

    model_config = SettingsConfigDict(
        env_prefix="ENRICHER_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )

    opensearch: OpenSearchSettings = OpenSearchSettings()
    """Where the events go."""
    redis: RedisSettings = RedisSettings()
    """Where the evidence and the task queue live."""
    dashboards: DashboardsSettings = DashboardsSettings()
    """OpenSearch Dashboards."""
    input: InputSettings = InputSettings()
    """What a log file may hold at most."""
    aws: AwsSettings = AwsSettings()
    """S3 and SQS."""
    pipeline: PipelineSettings = PipelineSettings()
    """How records become events."""
    enrichers: EnrichersSettings = EnrichersSettings()
    """Which enrichers run."""
    names: NamesSettings = NamesSettings()
    """What accounts are called."""
    geo: GeoSettings = GeoSettings()
    """Where addresses are."""
    containment: ContainmentSettings = ContainmentSettings()
    """Whether containment plans may be applied, and as whom."""
    alerts: AlertsSettings = AlertsSettings()
    """Alert rules."""
    delivery: DeliverySettings = Field(default_factory=DeliverySettings)
    """Who is told of alerts."""
    worker: WorkerSettings = WorkerSettings()
    """The Celery workers."""
    api: ApiSettings = Field(default_factory=ApiSettings)
    """The HTTP API."""
    client: ClientSettings = ClientSettings()
    """Where commands ask that need no servers of their own."""
    stack: StackSettings = Field(default_factory=StackSettings)
    """The embedded OpenSearch and Valkey."""
    log_format: LogFormat = LogFormat.CONSOLE
    """How log lines are written: console or json."""
    log_level: str = "INFO"
    """The least severe lines that are written."""


def setting_names(model: type[BaseModel] = Settings, prefix: str = "ENRICHER_") -> list[str]:
    """Give the name of every environment variable that sets something, in order."""
    names: list[str] = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names += setting_names(kind, f"{prefix}{name.upper()}__")
        else:
            names.append(f"{prefix}{name.upper()}")
    return names


def load_settings(environment: dict[str, str]) -> Settings:
    """Read the settings.

    Raises:
        ConfigurationError: If a variable is misspelt or its value does not fit; says which.
    """
    known = set(setting_names())
    unknown = [
        name
        for name in environment
        if name.startswith("ENRICHER_") and name not in known and not name.startswith(_NOT_OURS)
    ]
    if unknown:
        raise ConfigurationError(
            f"unknown settings: {', '.join(sorted(unknown))}; `enricher settings` lists all"
        )
    try:
        return Settings()
    except ValidationError as err:
        faults = "; ".join(
            f"ENRICHER_{'__'.join(str(part).upper() for part in fault['loc'])}: {fault['msg']}"
            for fault in err.errors(include_input=False, include_url=False)
        )
        raise ConfigurationError(f"settings do not fit: {faults}") from err
