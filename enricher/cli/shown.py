"""Log content on a terminal: hostile, so never interpreted, neither as markup nor as control."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def plain(value: object) -> str:
    """Spell a value so that a terminal shows it and does nothing else."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in str(value)
    )


def text(value: object, style: str = "") -> Text:
    """Give a value as text that carries no markup of its own."""
    return Text(plain(value), style=style)
