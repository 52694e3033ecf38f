"""Tests of what the workers count and log."""
