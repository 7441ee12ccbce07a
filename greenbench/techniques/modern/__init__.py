"""Techniques of today beside the study's: this folder is their list, one file each."""
