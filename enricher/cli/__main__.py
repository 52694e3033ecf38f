"""``python -m enricher.cli``."""

from __future__ import annotations

from enricher.cli.main import app

app()
