"""Identity: facts, evidence, the rules of the walk, the shape of the answer."""
