"""Arguments of `greenbench.data.decorator.workload`, checked. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from greenbench.errors import UserError
from greenbench.spec.fields import takes
from greenbench.spec.scale import SCALES
from greenbench.spec.workload import ACCURACY, MIOU, Metric, Setting

LEARNING_RATE = 0.05
"""Of SGD with momentum, for networks with norms that start from random weights."""

METRICS = {ACCURACY.name: ACCURACY, MIOU.name: MIOU}


def metric_of(metric: str | Metric) -> Metric:
    """Return a metric by name, or the user's own; `UserError` for an unknown name."""
    if isinstance(metric, Metric):
        return metric
    if metric not in METRICS:
        raise UserError(
            f"the metric {metric!r} is unknown",
            f"choose one of {', '.join(METRICS)}, or give a greenbench.Metric",
        )
    return METRICS[metric]


def settings_of(
    settings: Mapping[str, Setting] | None,
    epochs: int | None,
    batch_size: int | None,
    learning_rate: float | None,
    has_optimizer: bool,
) -> Mapping[str, Setting]:
    """Return the setting of each scale; `UserError` where arguments are missing or do not belong together."""
    if settings is not None:
        if (epochs, batch_size, learning_rate) != (None, None, None):
            raise UserError(
                "settings= stand beside epochs=, batch_size= or learning_rate=", "give one or the other"
            )
        if not settings or not all(isinstance(setting, Setting) for setting in settings.values()):
            raise UserError(f"settings= are {settings!r}", "give a greenbench.Setting for each scale")
        return dict(settings)
    if epochs is None or batch_size is None:
        raise UserError("epochs= or batch_size= is missing", "give both, or settings=")
    if learning_rate is None and has_optimizer:
        raise UserError("optimizer= stands without learning_rate=", "give the rate that it is built with")
    rate = LEARNING_RATE if learning_rate is None else learning_rate
    return dict.fromkeys(SCALES, Setting(epochs, batch_size, rate))


def check_factories(network: Any, loss: Any, optimizer: Any, schedule: Callable[..., Any]) -> None:
    """Refuse what is to be built by a function and is given as the thing itself, or as a class of other arguments."""
    if network is not None and not _builds(network):
        raise UserError(
            f"network= is {type(network).__name__}, and every run needs a new one",
            "give what builds it: network=lambda: ...",
        )
    if loss is not None and not (_builds(loss) and takes(loss)):
        raise UserError(
            f"loss={loss!r} cannot be called without arguments", "give what builds the loss: loss=lambda: ..."
        )
    if optimizer is not None and (
        isinstance(optimizer, type) or not callable(optimizer) or not takes(optimizer, 0, 0)
    ):
        raise UserError(
            f"optimizer={optimizer!r} is no function of network and learning rate",
            "give one: optimizer=lambda network, rate: torch.optim.AdamW(network.parameters(), rate)",
        )
    if not (callable(schedule) and takes(schedule, 0, 0, 0)):
        raise UserError(
            f"schedule={schedule!r} is no function of optimizer, steps per epoch and epochs",
            "give such a function",
        )


def _builds(value: Any) -> bool:
    """Whether it is a function or class, and not a module of torch's, which can be called too."""
    return callable(value) and (isinstance(value, type) or not hasattr(value, "forward"))
