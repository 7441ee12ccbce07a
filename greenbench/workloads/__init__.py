"""The workloads: this folder is their list. One file holds all that is known of one, or of a family."""
