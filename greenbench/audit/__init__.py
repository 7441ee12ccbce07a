"""Rules that judge any table of results, printed or measured. Imports no torch.

They know no technique, workload, task or metric by name: what they need of one stands in the `Entry`.
"""
