"""How fast, measured and never asserted."""
