"""Invented trails of an invented organization, with the truth known by construction."""
