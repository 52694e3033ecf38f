"""All tests, by what they need: see the folders' own words."""
