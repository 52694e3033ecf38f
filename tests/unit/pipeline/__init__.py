"""Tests of the use cases on in-memory adapters."""
