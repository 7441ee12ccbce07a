"""Loss functions of the techniques, as plain torch functions that know nothing of recipes."""
