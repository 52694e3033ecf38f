"""Writes the saved objects and their page anew."""

from __future__ import annotations

from tools.dashboards import DEFINITIONS, NDJSON, PAGE
from tools.dashboards.definitions import load
from tools.dashboards.objects import ndjson, saved_objects
from tools.dashboards.page import page

if __name__ == "__main__":
    house = load(DEFINITIONS)
    NDJSON.write_bytes(ndjson(saved_objects(house)))
    PAGE.write_text(page(house))
    print(NDJSON, PAGE, sep="\n")
