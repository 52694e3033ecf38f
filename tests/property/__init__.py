"""Properties: what holds of every trail, every record, every order."""
