"""Real servers, real workers."""
