"""The published study as data: its 342 cells as printed, what they can mean, and what the audit finds in them.

Badar, Varma, Staniec, Gamal, Magdy, Iqbal, Arani, Zonooz: "Highlighting the Importance of Reducing Research Bias and
Carbon Emissions in CNNs", arXiv:2106.03242. Imports no torch.
"""
