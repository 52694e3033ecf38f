"""Enrichment cases: records in, answers out."""
