"""Puts the parts together: the one module that knows settings and every adapter."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import redis
from opensearchpy import OpenSearch
from pydantic import ValidationError

from enricher.enrichers.geo import GeoEnricher
from enricher.enrichers.registry import assemble, built_in, chosen
from enricher.errors import ConfigurationError
from enricher.pipeline.discover import DiscoverServices
from enricher.pipeline.ingest import IngestServices
from enricher.pipeline.reenrich import EnrichServices
from enricher.pipeline.watch import WatchServices
from enricher.settings import Settings, setting_names
from enricher.stack import Endpoints, Stack
from enricher.stack import StackSettings as StackParameters
from enricher.stores.account_names import read_account_names
from enricher.stores.checkpoints import RedisCheckpoints
from enricher.stores.directory import DirectoryLogFiles
from enricher.stores.geo import GeoDatabases
from enricher.stores.memory import SystemClock
from enricher.stores.opensearch import OpenSearchEventIndex
from enricher.stores.plug_ins import find_plug_ins
from enricher.stores.redis_evidence import RedisEvidenceStore
from enricher.stores.routed import RoutedLogFiles
from enricher.stores.task_queue import CeleryTaskQueue, RedisAttempts, make_celery

if TYPE_CHECKING:
    from celery import Celery

    from enricher.enrichers.interface import Enricher
    from enricher.stores.aws import AwsAccess
    from enricher.stores.plug_ins import Found
    from enricher.stores.s3 import S3LogFiles

GEO = GeoEnricher.name
# Read by others: the tests' own switches, and where completion scripts live.
_NOT_OURS = ("ENRICHER_TEST_", "ENRICHER_DEMO_")


@dataclass(frozen=True)
class Container:
    """Everything that a process needs, made when it is first asked for."""

    settings: Settings

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
        )

    @cached_property
    def opensearch(self) -> OpenSearch:
        """The client of the cluster."""
        chosen = self.settings.opensearch
        credentials = (
            (chosen.username, chosen.password.get_secret_value())
            if chosen.username and chosen.password
            else None
        )
        return OpenSearch(
            self.endpoints.opensearch_url,
            http_auth=credentials,
            verify_certs=chosen.verify_certificates,
            ca_certs=str(chosen.ca_file) if chosen.ca_file else None,
            timeout=chosen.timeout.total_seconds(),
            max_retries=0,  # repetition is decided where it is known to be safe
            http_compress=False,
        )

    @cached_property
    def redis(self) -> redis.Redis:
        """The client of Redis or Valkey."""
        return redis.Redis.from_url(self.endpoints.redis_url, health_check_interval=30)

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
        return make_celery(self.endpoints.redis_url, time_limit=self.settings.worker.time_limit)

    @cached_property
    def queue(self) -> CeleryTaskQueue:
        """The task queue."""
        return CeleryTaskQueue(self.celery, self.redis)

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
            queue=self.queue,
            clock=SystemClock(),
        )

    def watching(self, queue_url: str) -> WatchServices:
        """What watching a queue of notifications needs."""
        from enricher.stores.sqs import SqsMessages  # noqa: PLC0415

        return WatchServices(
            messages=SqsMessages(queue_url, self.aws),
            quarantine=self.index,
            queue=self.queue,
            clock=SystemClock(),
            pause=time.sleep,
        )


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
