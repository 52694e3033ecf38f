"""What can go wrong between a question and its answer."""

from __future__ import annotations

from enricher.errors import EnricherError, UnavailableError


class NotIndexedError(EnricherError):
    """Nothing that is asked for is in the index; the message says what to check."""


class QuestionError(EnricherError):
    """The question itself does not fit: a finding without a credential, a cursor of no page."""


class TooSlowError(UnavailableError):
    """The index did not answer in the time that is allowed, and part of an answer is none."""
