"""The heart: facts, evidence, and the one pure function that says who it was. Pure."""
