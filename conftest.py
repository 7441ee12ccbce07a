"""What the suite's own tests need of pytest."""

pytest_plugins = ["pytester"]
