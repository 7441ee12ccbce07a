"""Layers of the architectural techniques, as plain torch modules that know nothing of recipes."""
