"""The study as pytest cases. In an installed greenbench it is the package ``greenbench.cases``."""
