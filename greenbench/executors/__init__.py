"""Where cases run: in this process, or each in one of its own, which nothing of another case can reach."""
