"""Containment plans."""
