"""The door for data and networks: `workload` makes a workload of a function that returns them. Imports no torch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from greenbench.data.door import Door
from greenbench.data.options import Options
from greenbench.errors import UserError
from greenbench.nn.baselines import cross_entropy, sgd
from greenbench.nn.schedules import cosine
from greenbench.spec.fields import takes
from greenbench.spec.recipe import LossFunction, ScheduleFactory, Size
from greenbench.spec.scale import SCALES
from greenbench.spec.workload import ACCURACY, MIOU, Metric, Setting, Workload

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from greenbench.data.augmentation import Augmentation
    from greenbench.data.normalization import Normalization
    from greenbench.data.samples import Collate

LEARNING_RATE = 0.05
"""Of SGD with momentum, for networks with norms that start from random weights."""

VOID = 255
"""Label of pixels that do not count, as most data sets with masks have it."""

TASKS = {ACCURACY.name: "classification", MIOU.name: "segmentation"}
METRICS = {ACCURACY.name: ACCURACY, MIOU.name: MIOU}


def workload(
    *without_arguments: Any,
    metric: Literal["accuracy", "miou"] | Metric | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    settings: Mapping[str, Setting] | None = None,
    task: str | None = None,
    score: Any = None,
    loss: Callable[[], LossFunction] | None = None,
    optimizer: Callable[[nn.Module, float], Optimizer] | None = None,
    schedule: ScheduleFactory = cosine,
    network: Callable[..., nn.Module] | None = None,
    augmentation: Augmentation | None = None,
    normalization: Normalization | None = None,
    collate: Collate | None = None,
    num_classes: int | None = None,
    image_size: Size | None = None,
    ignore_index: int | None = None,
    name: str | None = None,
    title: str | None = None,
    folder: str | None = None,
    other_folder: str | None = None,
    how_to_get: str = "",
    tolerances: Mapping[str, float] | None = None,
    weights: Callable[[Setting, Path | None], Path | None] | None = None,
    train_images: int | None = None,
    validation_images: int | None = None,
    fitted_size: Size | None = None,
    full_image_evaluation: bool = False,
    best_known: Mapping[str, float] | None = None,
) -> Callable[[Callable[..., Any]], Workload]:
    """Make a workload of a function that returns data and network: its name is the workload's, its docstring the card.

    ::

        @greenbench.workload(metric="accuracy", epochs=10, batch_size=64)
        def flowers(root):
            '''Seventeen flowers, ResNet-18.'''
            train, validation = greenbench.image_folders(root / "flowers", size=64)
            return train, validation, lambda: torchvision.models.resnet18(num_classes=17)

    The function takes `root`, the data root, or nothing. It is called once, when data or network are needed. It returns
    two map-style data sets (`torch.utils.data.Dataset`) of (input, target) pairs and a function that builds the network.
    Inputs are PIL images, tensors or arrays, of any kind; targets what the loss takes. Images that are bytes are
    normalized on the device that trains; all else goes to the network as it is. What a data set draws from torch, NumPy
    or `random` is the same for any number of worker processes. Slow data sets are read by such processes, except one whose
    class stands in a file that only this process knows: put it into a module beside the file.

    For batches of its own, the function takes `device` too and returns `greenbench.spec.workload.Data`.

    Parameters
    ----------
    metric
        ``accuracy``, ``miou``, or a `Metric` of your own, which needs `task`, `score` and `loss`.
    epochs, batch_size, learning_rate
        Of the baseline, at every scale. The learning rate is 0.05 where no `optimizer` is given.
    settings
        Instead of these three, a `Setting` for each scale.
    task
        The word by which techniques say where they apply; ``classification`` for accuracy, ``segmentation`` for mIoU.
    score
        A class, a function that makes an object, or an object (torchmetrics' as they are) with
        ``update(outputs, targets)`` and ``compute()``, which returns one number or numbers by name.
    loss, optimizer, schedule
        As in `Recipe`; cross-entropy, SGD with momentum 0.9 and weight decay, and a cosine after a warm-up.
    network
        Builds the network, where the function does not return it. It takes nothing, or number of classes, setting and
        data root.
    augmentation
        Of training images that have labels; `image_folders` bring their own.
    normalization
        Of images that are bytes; ImageNet's.
    collate
        Makes a batch of a list of (input, target) pairs; torch's ``default_collate``.
    num_classes, image_size
        Found in the data where they are not given.
    ignore_index
        Label of pixels that do not count; 255 for masks.
    name, title
        Instead of the function's name, for several made in a loop; and as the tables print it.
    folder, other_folder, how_to_get, tolerances, weights, train_images, validation_images, fitted_size, full_image_evaluation, best_known
        As in `Workload`.

    Raises
    ------
    UserError
        For arguments that do not belong together.
    """
    if without_arguments or metric is None:
        raise UserError(
            "@greenbench.workload was used without a metric",
            'write @greenbench.workload(metric="accuracy", epochs=10, batch_size=64), all by name',
        )
    chosen = _metric(metric)
    if chosen not in (ACCURACY, MIOU):
        for argument, value in (("task", task), ("score", score), ("loss", loss)):
            if value is None:
                raise UserError(
                    f"the metric {chosen.name!r} is your own and {argument}= is missing", f"give {argument}="
                )
    if chosen == MIOU and ignore_index is None:
        ignore_index = VOID
    at_scales = _settings(settings, epochs, batch_size, learning_rate, has_optimizer=optimizer is not None)
    _check_factories(network, loss, optimizer, schedule)

    def decorate(function: Callable[..., Any]) -> Workload:
        options = Options(
            name=name or function.__name__,
            metric=chosen,
            score=score,
            network=network,
            augmentation=augmentation,
            normalization=normalization,
            collate=collate,
            num_classes=num_classes,
            image_size=image_size,
            ignore_index=ignore_index,
            evaluation_batch=min(setting.batch_size for setting in at_scales.values()),
        )
        door = Door(
            function, options, how_to_get, official={"train": train_images, "validation": validation_images}
        )
        return Workload(
            name=options.name,
            title=title or options.name.replace("_", " ").capitalize(),
            card=inspect.cleandoc(function.__doc__ or ""),
            task=task or TASKS[chosen.name],
            metric=chosen,
            num_classes=num_classes,
            image_size=image_size,
            settings=at_scales,
            data=door.data,
            network=door.network,
            optimizer=optimizer or sgd,
            schedule=schedule,
            loss=loss or partial(cross_entropy, ignore_index),
            ignore_index=ignore_index,
            folder=folder,
            other_folder=other_folder,
            how_to_get=how_to_get,
            train_images=train_images,
            validation_images=validation_images,
            weights=weights or _no_weights,
            fitted_size=fitted_size,
            full_image_evaluation=full_image_evaluation,
            best_known=dict(best_known or {}),
            tolerances=dict(tolerances or {}),
            needs_root=door.needs_root,
            facts=None if door.needs_no_data else door.facts,
            inputs=None if image_size is not None and door.needs_no_data else door.inputs,
        )

    return decorate


def _metric(metric: str | Metric) -> Metric:
    if isinstance(metric, Metric):
        return metric
    if metric not in METRICS:
        raise UserError(
            f"the metric {metric!r} is unknown",
            f"choose one of {', '.join(METRICS)}, or give a greenbench.Metric",
        )
    return METRICS[metric]


def _settings(
    settings: Mapping[str, Setting] | None,
    epochs: int | None,
    batch_size: int | None,
    learning_rate: float | None,
    has_optimizer: bool,
) -> Mapping[str, Setting]:
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


def _check_factories(network: Any, loss: Any, optimizer: Any, schedule: Callable[..., Any]) -> None:
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


def _no_weights(_setting: Setting, _root: Path | None) -> Path | None:
    return None
