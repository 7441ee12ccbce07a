"""The techniques of the study: this folder is their list, one file each."""
