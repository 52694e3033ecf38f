"""The demonstration shows events that the samples hold."""

from __future__ import annotations

from enricher.cloudtrail import codec
from tests.conventions.source import REPOSITORY
from tools.demo import OF_THE_SAMPLES


def test_events_of_the_demonstration_are_in_the_samples() -> None:
    truth = codec.loads((REPOSITORY / "samples" / "truth.json").read_bytes())
    known = {document_id.partition(":")[0] for document_id in truth}
    assert {shown.event_id for shown in OF_THE_SAMPLES} <= known
