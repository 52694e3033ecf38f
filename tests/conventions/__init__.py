"""The style guide as tests."""
