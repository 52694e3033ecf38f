"""Tests of the embedded stack that start no server."""
