"""How often verdicts are wrong: simulated studies, and the baseline against itself."""
