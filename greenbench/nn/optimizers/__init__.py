"""Optimizers of the techniques, as plain torch optimizers that know nothing of recipes."""
