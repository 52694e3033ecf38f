"""Puts the parts together: the one module that knows settings and every adapter."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from pydantic import ValidationError

from enricher.enrichers.geo import GeoEnricher
from enricher.enrichers.registry import assemble, built_in, chosen
from enricher.errors import ConfigurationError
from enricher.pipeline.backfill import BackfillServices
from enricher.pipeline.digestreading import DigestReader
from enricher.pipeline.discover import DiscoverServices
from enricher.pipeline.ingest import IngestServices
from enricher.pipeline.intake import Intake
from enricher.pipeline.locations import SCHEME
from enricher.pipeline.reenrich import EnrichServices
from enricher.pipeline.retry import RetryServices
from enricher.pipeline.verify import VerifyServices
from enricher.pipeline.watch import WatchServices
from enricher.settings import Settings, Signing, setting_names
from enricher.stack import Endpoints, Stack
from enricher.stack import StackSettings as StackParameters
from enricher.stack.credentials import COMMANDS
from enricher.stores.account_names import read_account_names
from enricher.stores.checkpoints import RedisCheckpoints
from enricher.stores.connections import (
    Access,
    broker_tls,
    broker_url,
    make_opensearch,
    make_redis,
)
from enricher.stores.digest_keys import FilePublicKeys, read_signatures
from enricher.stores.directory import DirectoryLogFiles
from enricher.stores.geo import GeoDatabases
from enricher.stores.memory import SystemClock
from enricher.stores.opensearch import OpenSearchEventIndex
from enricher.stores.opensearch_foreign import OpenSearchForeignIndex
from enricher.stores.opensearch_quarantine import OpenSearchQuarantine
from enricher.stores.plug_ins import find_plug_ins
from enricher.stores.redis_evidence import RedisEvidenceStore
from enricher.stores.routed import RoutedLogFiles
from enricher.stores.task_queue import CeleryTaskQueue, RedisAttempts, make_celery
from enricher.stores.templates import enriched_mapping, load_mappings, with_enrichers

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

    import redis
    from celery import Celery
    from opensearchpy import OpenSearch

    from enricher.enrichers.interface import Enricher
    from enricher.pipeline.digestreading import PublicKeys
    from enricher.pipeline.ports import DigestLedger
    from enricher.settings import Connection
    from enricher.stores.aws import AwsAccess
    from enricher.stores.connections import Signer
    from enricher.stores.plug_ins import Found
    from enricher.stores.s3 import S3LogFiles

GEO = GeoEnricher.name
# Read by others: the tests' own switches, and where completion scripts live.
_NOT_OURS = ("ENRICHER_TEST_", "ENRICHER_DEMO_")


@dataclass(frozen=True)
class Container:
    """Everything that a process needs, made when it is first asked for.

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
        password = _content(stack.password_file(COMMANDS))
        return replace(access, username=COMMANDS, password=password)

    @cached_property
    def redis_access(self) -> Access:
        """How Redis is reached, likewise."""
        chosen, stack = self.settings.redis, self.endpoints.credentials
        access = _access(chosen, self.endpoints.redis_url)
        if chosen.url is not None or stack is None or access.password:
            return access
        password = _content(stack.valkey_password_file)
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
        )

    @cached_property
    def redis(self) -> redis.Redis:
        """The client of Redis or Valkey."""
        return make_redis(self.redis_access, patience=self.patience)

    @cached_property
    def index(self) -> OpenSearchEventIndex:
        """Events, quarantine and ledger."""
        return OpenSearchEventIndex(
            self.opensearch, bulk_bytes=int(self.settings.opensearch.bulk_bytes)
        )

    @cached_property
    def store(self) -> RedisEvidenceStore:
        """The evidence."""
        return RedisEvidenceStore(self.redis, retention=self.settings.redis.retention)

    @cached_property
    def celery(self) -> Celery:
        """The Celery application."""
        self.redis  # noqa: B018 - asks once: Celery would try refused credentials for ever
        return make_celery(
            broker_url(self.redis_access),
            time_limit=self.settings.worker.time_limit,
            tls=broker_tls(self.redis_access),
        )

    @cached_property
    def queue(self) -> CeleryTaskQueue:
        """The task queue."""
        return CeleryTaskQueue(self.celery, self.redis)

    @cached_property
    def intake(self) -> Intake:
        """Where log files are handed over to be ingested."""
        return Intake(ledger=self.index, queue=self.queue, clock=SystemClock())

    @cached_property
    def own_enrichers(self) -> tuple[Enricher, ...]:
        """The enrichers of this project, also those that do not run.

        Raises:
            ConfigurationError: If a file that they need is missing or cannot be read.
        """
        names, geo = self.settings.names, self.settings.geo
        accounts = read_account_names(names.accounts_file) if names.accounts_file else {}
        databases = GeoDatabases(geo.city_file, geo.asn_file) if self._has_geo else None
        return built_in(accounts, databases.place if databases else None)

    @property
    def _has_geo(self) -> bool:
        return bool(self.settings.geo.city_file or self.settings.geo.asn_file)

    @cached_property
    def plug_ins(self) -> list[Found]:
        """The enrichers of other packages that are installed."""
        return find_plug_ins()

    @cached_property
    def enrichers(self) -> tuple[Enricher, ...]:
        """The enrichers that run, in order: the same for every use in this process.

        Raises:
            ConfigurationError: If the settings name one that is not there, or one cannot be loaded
                or does not go together with the others.
        """
        enabled = listed(self.settings.enrichers.enabled)
        disabled = listed(self.settings.enrichers.disabled)
        if not self._has_geo:
            if GEO in enabled:
                raise ConfigurationError(
                    f"the enricher {GEO} needs a database: set ENRICHER_GEO__CITY_FILE or "
                    "ENRICHER_GEO__ASN_FILE"
                )
            disabled = [*disabled, GEO]
        own = self.own_enrichers
        available = [*(one.name for one in own), *(one.name for one in self.plug_ins)]
        names = chosen(available, enabled, disabled)
        # What does not run is not even imported.
        loaded = [one.load() for one in self.plug_ins if one.name in names]
        return assemble(names, own, loaded)

    @cached_property
    def ingesting(self) -> IngestServices:
        """What ingesting a log file needs."""
        return IngestServices(
            source=RoutedLogFiles(DirectoryLogFiles(), {"s3": lambda: self.s3}),
            index=self.index,
            store=self.store,
            queue=self.queue,
            attempts=RedisAttempts(self.redis),
            clock=SystemClock(),
            limits=self.settings.input.limits(),
            period=self.settings.opensearch.period,
            batch_records=self.settings.pipeline.batch_records,
            enrichers=self.enrichers,
            enrich_at_ingest=self.settings.pipeline.enrich_at_ingest,
        )

    @cached_property
    def enriching(self) -> EnrichServices:
        """What enriching again needs."""
        return EnrichServices(
            index=self.index,
            store=self.store,
            queue=self.queue,
            clock=SystemClock(),
            batch_records=self.settings.pipeline.batch_records,
            enrichers=self.enrichers,
        )

    @cached_property
    def retrying(self) -> RetryServices:
        """What taking refused records up again needs."""
        return RetryServices(
            ingesting=self.ingesting,
            intake=self.intake,
            quarantine=OpenSearchQuarantine(self.opensearch),
        )

    def backfilling(self, pattern: str) -> BackfillServices:
        """What enriching other pipelines' indices needs."""
        wanted = enriched_mapping(with_enrichers(load_mappings(), self.enrichers))
        return BackfillServices(
            foreign=OpenSearchForeignIndex(
                self.opensearch,
                pattern,
                wanted,
                bulk_bytes=int(self.settings.opensearch.bulk_bytes),
            ),
            wanted=wanted,
            index=self.index,
            store=self.store,
            beside=RedisEvidenceStore(
                self.redis, retention=self.settings.redis.retention, prefix="enricher:rebuilt:"
            ),
            queue=self.queue,
            checkpoints=RedisCheckpoints(self.redis),
            clock=SystemClock(),
            pause=time.sleep,
            enrichers=self.enrichers,
        )

    # --- AWS: its client libraries take half a second to import, so only where they are used ------

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

    @cached_property
    def s3(self) -> S3LogFiles:
        """Log files in S3."""
        from enricher.stores.s3 import S3LogFiles  # noqa: PLC0415

        return S3LogFiles(self.aws, requester_pays=self.settings.aws.requester_pays)

    @cached_property
    def discovering(self) -> DiscoverServices:
        """What finding log files in S3 needs."""
        return DiscoverServices(
            listing=self.s3,
            checkpoints=RedisCheckpoints(self.redis),
            intake=self.intake,
            clock=SystemClock(),
        )

    def verifying(
        self,
        location: str,
        *,
        public_keys: Path | None,
        signatures: Path | None,
        copied: bool,
        ledger: DigestLedger | None,
    ) -> VerifyServices:
        """What validating the digest files below a location needs; servers only with a ledger.

        Raises:
            ConfigurationError: If a file that is named does not hold what it should.
        """
        source = self.s3 if location.startswith(SCHEME) else DirectoryLogFiles()
        return VerifyServices(
            listing=source,
            reader=DigestReader(
                source=source,
                keys=FilePublicKeys(public_keys) if public_keys else self.public_keys,
                inflated_bytes=int(self.settings.input.inflated_bytes),
                copied=copied,
                beside=read_signatures(signatures) if signatures else {},
            ),
            clock=SystemClock(),
            ledger=ledger,
        )

    @cached_property
    def public_keys(self) -> PublicKeys:
        """CloudTrail's public keys, asked of AWS."""
        from enricher.stores.cloudtrail_keys import CloudTrailPublicKeys  # noqa: PLC0415

        return CloudTrailPublicKeys(self.aws)

    def has_servers(self) -> bool:
        """Say whether servers are named or the embedded ones are up."""
        try:
            return bool(self.endpoints)
        except ConfigurationError:
            return False

    def watching(self, queue_url: str) -> WatchServices:
        """What watching a queue of notifications needs."""
        from enricher.stores.sqs import SqsMessages  # noqa: PLC0415

        return WatchServices(
            messages=SqsMessages(queue_url, self.aws),
            quarantine=self.index,
            intake=self.intake,
            clock=SystemClock(),
            pause=time.sleep,
        )


def _access(chosen: Connection, url: str) -> Access:
    password = chosen.password.get_secret_value() if chosen.password else None
    return Access(
        url=url,
        username=chosen.username,
        password=_content(chosen.password_file) if chosen.password_file else password,
        ca_file=chosen.ca_file,
        client_certificate=chosen.client_certificate,
        client_key=chosen.client_key,
    )


def _content(secret: Path) -> str:
    """Read a file that holds one secret.

    Raises:
        ConfigurationError: If it cannot be read, or holds nothing.
    """
    try:
        content = secret.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigurationError(f"no password can be read from {secret}") from err
    if not content:
        raise ConfigurationError(f"{secret} is empty: it is to hold a password")
    return content


def listed(setting: str) -> list[str]:
    """Read names that are separated by commas."""
    return [name.strip() for name in setting.split(",") if name.strip()]


@lru_cache(maxsize=1)
def container() -> Container:
    """Give this process's container; settings are read from the environment here, once."""
    return Container(load_settings(dict(os.environ)))  # noqa: TID251 - this is that one place


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
