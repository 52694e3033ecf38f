"""Notifications of new log files in SQS."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from enricher.errors import ConfigurationError, LogFileError
from enricher.pipeline.watch import Message
from enricher.stores.aws import AwsAccess, error_code, make_client, translated

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from types_boto3_sqs import SQSClient

VISIBILITY = timedelta(minutes=2)
_TRIES = 3
_HOST = re.compile(  # e.g. https://sqs.eu-west-1.amazonaws.com/111122223333/trail
    r"https?://(?:sqs\.)?(?P<region>[a-z]{2,}(?:-[a-z]+)+-\d)\.(?:queue\.)?amazonaws\.com"
)


class SqsMessages:
    """One queue; its address tells its region, where nothing else does."""

    def __init__(
        self, queue_url: str, access: AwsAccess | None = None, *, visibility: timedelta = VISIBILITY
    ) -> None:
        access = access or AwsAccess()
        if access.region is None:
            access = replace(access, region=region_of(queue_url))
        self._client: SQSClient = make_client("sqs", access)
        self._url = queue_url
        self._visibility = visibility

    @property
    def name(self) -> str:
        """The queue's name, for people."""
        return self._url.rstrip("/").rpartition("/")[2]

    @property
    def visibility(self) -> timedelta:
        """How long messages that were received are kept from others."""
        return self._visibility

    def receive(self, most: int, wait: timedelta) -> list[Message]:
        """Take messages; wait for the first one so long.

        Raises:
            UnavailableError: If SQS does not answer.
            ConfigurationError: If there is no such queue, or it may not be read.
        """
        with _asked_for():
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=most,
                WaitTimeSeconds=int(wait.total_seconds()),
                VisibilityTimeout=int(self._visibility.total_seconds()),
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
        return [
            Message(
                id=item["MessageId"],
                receipt=item["ReceiptHandle"],
                body=item.get("Body", ""),
                received=int(item.get("Attributes", {}).get("ApproximateReceiveCount", "1")),
            )
            for item in answer.get("Messages", ())
        ]

    def delete(self, messages: Sequence[Message]) -> list[Message]:
        """Delete messages in one request, and those again that SQS failed to delete."""
        remaining = dict(enumerate(messages))
        given_up: list[Message] = []
        for _ in range(_TRIES):
            if not remaining:
                break
            with _asked_for():
                answer = self._client.delete_message_batch(
                    QueueUrl=self._url,
                    Entries=[
                        {"Id": str(number), "ReceiptHandle": message.receipt}
                        for number, message in remaining.items()
                    ],
                )
            failed = {int(item["Id"]): item for item in answer.get("Failed", ())}
            given_up += [remaining[n] for n, item in failed.items() if item["SenderFault"]]
            remaining = {n: remaining[n] for n, item in failed.items() if not item["SenderFault"]}
        return [*given_up, *remaining.values()]

    def extend(self, messages: Sequence[Message]) -> None:
        """Keep messages from others for another while; one that is gone already does no harm."""
        with _asked_for():
            self._client.change_message_visibility_batch(
                QueueUrl=self._url,
                Entries=[
                    {
                        "Id": str(number),
                        "ReceiptHandle": message.receipt,
                        "VisibilityTimeout": int(self._visibility.total_seconds()),
                    }
                    for number, message in enumerate(messages)
                ],
            )


@contextmanager
def _asked_for() -> Iterator[None]:
    """Translate errors; what no repetition heals is a queue that is set up otherwise."""
    try:
        with translated():
            yield
    except LogFileError as err:
        code = error_code(err.__cause__) if isinstance(err.__cause__, ClientError) else err.reason
        raise ConfigurationError(
            f"the queue cannot be used: {code}; see that its address is right and that it allows "
            "to receive and delete messages and to change their visibility"
        ) from err


def region_of(queue_url: str) -> str | None:
    """Read the region from a queue's address; None where it is no address of AWS's."""
    found = _HOST.match(queue_url)
    return found["region"] if found else None
