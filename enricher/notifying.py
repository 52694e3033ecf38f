"""Whom the settings name to be told of alerts."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from enricher.alerts.deliver import DeliverServices, Target
from enricher.delivery_settings import (
    EventBridgeSettings,
    SnsSettings,
    WebhookSettings,
    check_url,
)
from enricher.errors import ConfigurationError
from enricher.reach import content_of
from enricher.stores.memory import SystemClock

if TYPE_CHECKING:
    from enricher.alerts.deliver import DeliveryQueue, Sender
    from enricher.alerts.ports import AlertStore
    from enricher.delivery_settings import AnyTarget, AwsTargetSettings, DeliverySettings
    from enricher.stores.aws import AwsAccess

_NOTING = timedelta(seconds=5)  # beside the exchange, an attempt reads and writes an alert


def deliver_services(
    settings: DeliverySettings, alerts: AlertStore, queue: DeliveryQueue
) -> DeliverServices:
    """Put together what telling of alerts needs."""
    return DeliverServices(
        alerts=alerts,
        targets=targets_of(settings),
        queue=queue,
        now=SystemClock().now,
        attempts=settings.attempts,
        backoff=settings.backoff,
        longest_backoff=settings.longest_backoff,
        lease=2 * settings.timeout + _NOTING,
    )


def targets_of(settings: DeliverySettings) -> dict[str, Target]:
    """Give the targets; their secrets are read when they are first told something."""
    return {name: _target(name, one, settings.timeout) for name, one in settings.targets.items()}


def _target(name: str, chosen: AnyTarget, timeout: timedelta) -> Target:
    return Target(
        name=name,
        kind=chosen.kind,
        level=chosen.level,
        format=chosen.format,
        sender=cache(lambda: _sender(name, chosen, timeout)),
    )


def _sender(name: str, chosen: AnyTarget, timeout: timedelta) -> Sender:
    match chosen:
        case WebhookSettings():
            return _webhook(name, chosen, timeout)
        case SnsSettings():
            from enricher.stores.aws_notices import SnsTopic  # noqa: PLC0415 - half a second

            access = _access(chosen, chosen.region_of_topic, timeout)
            return SnsTopic(chosen.topic_arn, access)
        case EventBridgeSettings():
            from enricher.stores.aws_notices import EventBus  # noqa: PLC0415 - likewise

            return EventBus(chosen.bus, chosen.source, _access(chosen, chosen.region, timeout))


def _webhook(name: str, chosen: WebhookSettings, timeout: timedelta) -> Sender:
    from enricher.stores.guarded_network import Guard  # noqa: PLC0415 - likewise
    from enricher.stores.webhooks import Webhook, secret_bytes  # noqa: PLC0415

    url = content_of(chosen.url_file) if chosen.url_file else chosen.url or ""
    try:
        check_url(url, without_tls=chosen.without_tls)
        secret = secret_bytes(content_of(chosen.secret_file)) if chosen.secret_file else None
    except ValueError as err:
        raise ConfigurationError(f"target {name}: {err}") from err
    return Webhook(
        url=url, secret=secret, guard=Guard(chosen.allow), timeout=timeout, ca_file=chosen.ca_file
    )


def _access(chosen: AwsTargetSettings, region: str | None, timeout: timedelta) -> AwsAccess:
    from enricher.stores.aws import AwsAccess  # noqa: PLC0415 - likewise

    return AwsAccess(
        endpoint_url=chosen.endpoint_url, region=region, max_attempts=1, timeout=timeout
    )
