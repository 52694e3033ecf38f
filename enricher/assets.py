"""Files that come with the package: mappings and the roles of the Security plugin."""

from __future__ import annotations

from pathlib import Path

import enricher


def asset(name: str) -> Path:
    """Give a folder of files that are no code: of the installed package, else of the checkout."""
    package = Path(enricher.__file__).parent
    packed = package / "_assets"
    return (packed if packed.is_dir() else package.parent) / name
