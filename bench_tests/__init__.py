"""The suite's own tests, the study and the speed comparison."""
