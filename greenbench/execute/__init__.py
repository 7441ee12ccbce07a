"""Runs one case and returns its record."""
