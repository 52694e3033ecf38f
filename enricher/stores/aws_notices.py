"""Tells SNS topics and EventBridge buses of alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from enricher.alerts.errors import DeliveryError
from enricher.errors import UnavailableError
from enricher.stores.aws import error_code, make_client

if TYPE_CHECKING:
    from enricher.alerts.deliver import Message
    from enricher.stores.aws import AwsAccess

MOST_BYTES = 256 * 1024  # of both, attributes included: AWS, "quotas" of SNS and EventBridge
_FIFO = ".fifo"
DETAIL_TYPE = "CloudTrail Alert"
_NO_CODE = "refused"


class SnsTopic:
    """Publishes to a topic; a FIFO topic drops repetitions by itself."""

    def __init__(self, topic_arn: str, access: AwsAccess) -> None:
        self._arn, self._access = topic_arn, access

    def send(self, message: Message) -> None:
        """Publish.

        Raises:
            DeliveryError: If the topic does not take it.
        """
        attributes = {
            "idempotency-key": message.key,
            "severity": message.severity,
            "rule": message.rule_id,
        }
        more: dict[str, str] = {}
        if self._arn.endswith(_FIFO):
            key = message.key.replace(":", "-")
            more = {"MessageGroupId": message.alert_id, "MessageDeduplicationId": key}
        self._publish(
            TopicArn=self._arn,
            Message=message.body.decode(),
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in attributes.items()
            },
            **more,
        )

    def _publish(self, **request: Any) -> None:  # noqa: ANN401 - boto3's own
        _asked("sns", "publish", self._access, request)


class EventBus:
    """Puts events on a bus of EventBridge."""

    def __init__(self, bus: str, source: str, access: AwsAccess) -> None:
        self._bus, self._source, self._access = bus, source, access

    def send(self, message: Message) -> None:
        """Put an event.

        Raises:
            DeliveryError: If the bus does not take it.
        """
        entry = {
            "Source": self._source,
            "DetailType": DETAIL_TYPE,
            "Detail": message.body.decode(),
            "EventBusName": self._bus,
            # The idempotency key, where rules of the bus can see it beside any form of detail.
            "Resources": [message.key],
        }
        answer = _asked("events", "put_events", self._access, {"Entries": [entry]})
        if answer.get("FailedEntryCount"):
            code = str(answer["Entries"][0].get("ErrorCode", _NO_CODE))
            raise DeliveryError(_slug(code))


def _asked(
    service: str, operation: str, access: AwsAccess, request: dict[str, Any]
) -> dict[str, Any]:
    try:
        client = make_client(service, access)
        try:
            answer: dict[str, Any] = getattr(client, operation)(**request)
        finally:
            client.close()
    except ClientError as err:
        raise DeliveryError(_slug(error_code(err))) from err
    except (BotoCoreError, UnavailableError) as err:
        raise DeliveryError("connection-failed") from err
    return answer


def _slug(code: str) -> str:
    """Give AWS's error code as a reason; its text would hold names."""
    known = code.replace(".", "").isalnum() and len(code) <= 64  # noqa: PLR2004
    return f"aws-{code}" if known else f"aws-{_NO_CODE}"
