"""Measurements, apart from the tests: ratios within one run, never asserted."""
