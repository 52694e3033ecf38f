"""Puts the parts together: the one module that knows settings and every adapter."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import timedelta
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from enricher.alerting import Alerting
from enricher.errors import ConfigurationError
from enricher.notifying import deliver_services
from enricher.pipeline.backfill import BackfillServices
from enricher.pipeline.digestreading import DigestReader
from enricher.pipeline.discover import DiscoverServices
from enricher.pipeline.ingest import IngestServices
from enricher.pipeline.intake import Intake
from enricher.pipeline.locations import SCHEME
from enricher.pipeline.ondemand import EnrichNowServices
from enricher.pipeline.reenrich import EnrichServices
from enricher.pipeline.retry import RetryServices
from enricher.pipeline.verify import VerifyServices
from enricher.pipeline.watch import WatchServices
from enricher.reach import Reach, content_of
from enricher.response.contain import ContainServices
from enricher.response.planning import Planning
from enricher.settings import load_settings
from enricher.stores.api_keys import FileApiKeys
from enricher.stores.checkpoints import RedisCheckpoints
from enricher.stores.connections import (
    broker_tls,
    broker_url,
)
from enricher.stores.digest_keys import FilePublicKeys, read_signatures
from enricher.stores.directory import DirectoryLogFiles
from enricher.stores.memory import MemoryEvidenceStore, SystemClock
from enricher.stores.opensearch import OpenSearchEventIndex
from enricher.stores.opensearch_audit import OpenSearchAuditLog
from enricher.stores.opensearch_containment import OpenSearchContainment
from enricher.stores.opensearch_foreign import OpenSearchForeignIndex
from enricher.stores.opensearch_quarantine import OpenSearchQuarantine
from enricher.stores.opensearch_reading import OpenSearchEventReading
from enricher.stores.redis_evidence import RedisEvidenceStore
from enricher.stores.routed import RoutedLogFiles
from enricher.stores.task_queue import CeleryTaskQueue, RedisAttempts, make_celery
from enricher.stores.templates import enriched_mapping, load_mappings, with_enrichers

if TYPE_CHECKING:
    from pathlib import Path

    from celery import Celery

    from enricher.alerts.deliver import DeliverServices
    from enricher.client import ApiClient
    from enricher.pipeline.digestreading import PublicKeys
    from enricher.pipeline.ports import DigestLedger
    from enricher.stores.s3 import S3LogFiles

_PROBED = timedelta(seconds=3)


class Container(Alerting):
    """Everything that a process needs, made when it is first asked for."""

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
            evaluate_every=self.settings.alerts.interval if self.settings.alerts.enabled else None,
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
    def delivering(self) -> DeliverServices:
        """What telling targets of alerts needs."""
        return deliver_services(self.settings.delivery, self.alerts, self.queue)

    @cached_property
    def retrying(self) -> RetryServices:
        """What taking refused records up again needs."""
        return RetryServices(
            ingesting=self.ingesting,
            intake=self.intake,
            quarantine=OpenSearchQuarantine(self.opensearch),
        )

    @cached_property
    def reading(self) -> OpenSearchEventReading:
        """Events as responders ask for them."""
        return OpenSearchEventReading(
            self.opensearch,
            timeout=self.settings.api.query_timeout,
            most_events=self.settings.api.query_events,
        )

    @cached_property
    def enriching_now(self) -> EnrichNowServices:
        """What enriching without indexing needs."""
        limits = replace(self.settings.input.limits(), records=self.settings.api.enrich_records)
        return EnrichNowServices(
            store=self.store, own=MemoryEvidenceStore, limits=limits, enrichers=self.enrichers
        )

    @cached_property
    def audit_log(self) -> OpenSearchAuditLog:
        """What was done through the API."""
        return OpenSearchAuditLog(self.opensearch)

    @cached_property
    def probe(self) -> Reach:
        """The servers, asked only whether they are there."""
        return Reach(self.settings, patience=_PROBED)

    @cached_property
    def api_keys(self) -> FileApiKeys:
        """Who may ask the API."""
        return FileApiKeys(self.settings.api.keys_file)

    @property
    def api_client(self) -> ApiClient:
        """A client of the API that the settings name.

        Raises:
            ConfigurationError: If they do not say where it is and what key to use.
        """
        # The command line is no slower for those who ask no API.
        from enricher.client import ApiClient  # noqa: PLC0415

        chosen = self.settings.client
        key = chosen.api_key.get_secret_value() if chosen.api_key else None
        key = content_of(chosen.api_key_file) if chosen.api_key_file else key
        if chosen.url is None or key is None:
            raise ConfigurationError(
                "to ask an API, set ENRICHER_CLIENT__URL and ENRICHER_CLIENT__API_KEY or "
                "ENRICHER_CLIENT__API_KEY_FILE"
            )
        return ApiClient(chosen.url, key, chosen.ca_file)

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

    @cached_property
    def containing(self) -> ContainServices:
        """What applying containment plans needs.

        Raises:
            ConfigurationError: If the settings do not allow it.
        """
        from enricher.stores.aws_containment import AwsResponder, ResponderRole  # noqa: PLC0415

        chosen = self.settings.containment
        if not chosen.enabled:
            raise ConfigurationError(
                "containment is off: set ENRICHER_CONTAINMENT__ENABLED and "
                "ENRICHER_CONTAINMENT__ROLE_NAME to allow plans to be applied"
            )
        role = ResponderRole(
            name=chosen.role_name, arns=chosen.roles, external_id=chosen.external_id
        )
        clock = SystemClock()
        return ContainServices(
            responder=AwsResponder(self.aws, role, clock.now),
            records=self.containment_records,
            now=clock.now,
        )

    @cached_property
    def planning(self) -> Planning:
        """What making containment plans needs."""
        chosen = self.settings.containment
        # Whose accounts are known only where somebody lists them all.
        own = set(self.account_names)
        listed = bool(own or (chosen.roles and not chosen.role_name))
        return Planning(
            reading=self.reading,
            now=SystemClock().now,
            own_accounts=frozenset(own | set(chosen.roles)) if listed else None,
            management_account=chosen.management_account,
        )

    @cached_property
    def containment_records(self) -> OpenSearchContainment:
        """Containment plans, and what was applied of them."""
        return OpenSearchContainment(self.opensearch)

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


@lru_cache(maxsize=1)
def container() -> Container:
    """Give this process's container; settings are read from the environment here, once."""
    return Container(load_settings(dict(os.environ)))  # noqa: TID251 - this is that one place
