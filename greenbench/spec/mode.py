"""Numerical modes: what a case computes in, as rows that say everything. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from greenbench.errors import UserError


@dataclass(frozen=True)
class Mode:
    """How networks compute. Weights, gradients, the optimizer's state, losses and scores are float32 in every mode.

    Attributes
    ----------
    name
        As in `Case.mode` and ``--green-mode``.
    summary
        What it does, in a few words.
    autocast
        Name of torch's type for `torch.autocast` around each forward pass of a network, whose outputs are float32 again;
        None for none.
    channels_last
        Whether networks and images lie in memory with their channels innermost.
    fused_optimizers
        Whether torch's own optimizers take their step in one kernel, or over lists of tensors where they have none.
    joint_losses
        Whether a loss that has a method ``together(outputs, weighted targets)`` computes several sets of targets by it.
    joint_upsampling
        Whether a network that has a method ``coarse_logits``, and upsamples them last, leaves that to a loss that has a
        method ``upsampled(coarse logits, targets)``.
    """

    name: str
    summary: str
    autocast: str | None = None
    channels_last: bool = False
    fused_optimizers: bool = False
    joint_losses: bool = False
    joint_upsampling: bool = False


PAPER = Mode("paper", "float32, contiguous, eager, no TF32: as in the study")
FAST = Mode(
    "fast",
    "bfloat16 by autocast, channels_last, fused optimizers, one softmax for mixed labels, logits upsampled by the loss in blocks; "
    "weights, losses and scores in float32",
    autocast="bfloat16",
    channels_last=True,
    fused_optimizers=True,
    joint_losses=True,
    joint_upsampling=True,
)
MODES = {mode.name: mode for mode in (PAPER, FAST)}
"""By name, the default first."""


def find_mode(name: str) -> Mode:
    """Return the mode of that name.

    Raises
    ------
    UserError
        For an unknown one.
    """
    if name not in MODES:
        raise UserError(f"mode {name!r} is unknown", f"choose one of {', '.join(MODES)}")
    return MODES[name]
