"""Tests of adapters that start no server."""
