"""A connection to a real Valkey that is gone is called so, whoever still uses its channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import redis
from kombu import Connection

from enricher.workers.consumer import PatientTransport

if TYPE_CHECKING:
    from enricher.stack import Endpoints

_OF_OUR_OWN = "/9"  # a database of Redis that no other test uses


def test_what_a_lost_connection_held_cannot_be_acknowledged(stack_endpoints: Endpoints) -> None:
    """It says so by an error that Celery takes for a lost connection; others end a worker."""
    url = stack_endpoints.redis_url.removesuffix("/0") + _OF_OUR_OWN
    connection = Connection(url, transport=PatientTransport)
    queue = connection.SimpleQueue("held")
    queue.put("in hand")
    message: Any = queue.get(timeout=10)
    connection.collect()
    connection.close()
    message.channel._disconnect_pools()  # as where closing it goes wrong
    with pytest.raises(connection.connection_errors, match="closed"):
        message.ack()
    with redis.Redis.from_url(url) as client:
        client.flushdb()
