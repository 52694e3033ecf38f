"""Adapters: OpenSearch, Redis, directories behind the ports; an in-memory twin of each."""
