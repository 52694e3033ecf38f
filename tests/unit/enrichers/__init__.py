"""The enrichers, one by one and behind their guard."""
