"""Log content on a terminal: hostile, so never interpreted, neither as markup nor as control."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from enricher.cloudtrail.plain import plain

__all__ = ["err", "out", "plain", "text"]

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def text(value: object, style: str = "") -> Text:
    """Give a value as text that carries no markup of its own."""
    return Text(plain(value), style=style)
