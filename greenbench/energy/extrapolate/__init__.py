"""The energy of a whole training from a part of it."""
