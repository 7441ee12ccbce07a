"""The study's two base networks, each with a width factor so that small scales run the same code."""
