"""Properties of the techniques: layers, losses, optimizers, schedules, and what each technique promises."""
