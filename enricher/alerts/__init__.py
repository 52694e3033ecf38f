"""Alert rules: Sigma to queries, evaluation over what is new or changed, and what becomes of it."""
