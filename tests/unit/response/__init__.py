"""Tests of what responders ask and do, as far as no server is needed."""
