"""What is to be run, as plain data: recipe, technique, workload, scale, case. Imports no torch."""
