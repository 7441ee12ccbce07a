"""Figures of the report, drawn from verdicts and tables alone."""
