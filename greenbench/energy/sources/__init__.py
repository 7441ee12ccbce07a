"""Where energy is read: a file or folder for each kind of device."""
