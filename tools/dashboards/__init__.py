"""Makes the saved objects of OpenSearch Dashboards from the definitions in ``dashboards/``.

python -m tools.dashboards
"""

from __future__ import annotations

from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
DEFINITIONS = REPOSITORY / "dashboards"
NDJSON = DEFINITIONS / "enricher.ndjson"
PAGE = REPOSITORY / "docs" / "dashboards.md"
