"""Tests of the format: times, ARNs, callers, records, files."""
