"""Records: what was run, on what, and what came out, as facts that are written once. Imports no torch."""
