"""Where energy figures come from: one module for each kind of device."""
