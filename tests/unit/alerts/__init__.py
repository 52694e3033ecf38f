"""Alert rules: what they ask, and what becomes of what they find."""
