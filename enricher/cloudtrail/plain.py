"""Log content is hostile: spelt so that whatever shows it does nothing else."""

from __future__ import annotations


def plain(value: object) -> str:
    """Spell a value in printable characters alone; others as a Python string literal does."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in str(value)
    )
