"""greenbench: what a deep-learning training technique gains, and what it costs."""

__version__ = "0.1.0"
