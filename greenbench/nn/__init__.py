"""Layers, losses, optimizers and schedules in plain torch, each usable alone."""
