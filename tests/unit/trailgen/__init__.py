"""The generator of invented trails."""
