"""Measurements on real servers: ratios within one run, each repeated, all of them interleaved."""
