"""Tools of the project: generators, demo, pages."""
