"""What records say of techniques: quantities, tolerances, verdicts. Pure: no torch, no pytest, no printing."""
