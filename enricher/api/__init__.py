"""The HTTP API: what playbooks and people ask, with who may ask it."""
