"""Tests of what responders ask, as far as no index is needed."""
