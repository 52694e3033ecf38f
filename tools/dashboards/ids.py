"""The ids of saved objects: links and bookmarks hold them, so they stay as they are."""

from __future__ import annotations


def object_id(*names: str) -> str:
    """Give the id of a saved object."""
    return "-".join(("enricher", *names))
