"""A study: what there is to run, the matrix, what is missing, and how far it has come. Imports no torch."""
