"""Who was really behind each AWS CloudTrail event, written on the event inside OpenSearch."""

from __future__ import annotations

__version__ = "0.1.0"
