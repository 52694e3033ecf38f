"""Use cases on ports: ingest a log file, enrich again what new evidence changes."""
