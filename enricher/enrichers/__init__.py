"""What writes the fields of ``enriched``: the interface, the built-in enrichers, the registry."""
