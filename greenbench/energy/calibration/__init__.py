"""A device's power readings held against an external meter: what that finds, where it is kept, how it is used."""
