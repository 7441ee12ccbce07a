"""The door for data and networks: `workload` makes a workload of a function that returns them. Imports no torch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from greenbench.data.arguments import check_factories, metric_of, settings_of
from greenbench.data.door import Door
from greenbench.data.options import Options
from greenbench.errors import UserError
from greenbench.nn.baselines import cross_entropy, sgd
from greenbench.nn.schedules import cosine
from greenbench.spec.download import Download
from greenbench.spec.recipe import LossFunction, ScheduleFactory, Size
from greenbench.spec.workload import ACCURACY, MIOU, Metric, Setting, Split, Workload

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from greenbench.data.augmentation import Augmentation
    from greenbench.data.normalization import Normalization
    from greenbench.data.samples import Collate

VOID = 255
"""Label of pixels that do not count, as most data sets with masks have it."""

TASKS = {ACCURACY.name: "classification", MIOU.name: "segmentation"}


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
    downloads: Sequence[Download] = (),
    tolerances: Mapping[str, float] | None = None,
    weights: Callable[[Setting, Path | None], Path | None] | None = None,
    samples: Callable[[Path, Split], Any] | None = None,
    train_images: int | None = None,
    validation_images: int | None = None,
    fitted_size: Size | None = None,
    full_image_evaluation: bool | Size = False,
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
    folder, other_folder, how_to_get, downloads, tolerances, weights, samples, train_images, validation_images, fitted_size, full_image_evaluation, best_known
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
    chosen = metric_of(metric)
    if chosen not in (ACCURACY, MIOU):
        for argument, value in (("task", task), ("score", score), ("loss", loss)):
            if value is None:
                raise UserError(
                    f"the metric {chosen.name!r} is your own and {argument}= is missing", f"give {argument}="
                )
    if chosen == MIOU and ignore_index is None:
        ignore_index = VOID
    at_scales = settings_of(settings, epochs, batch_size, learning_rate, has_optimizer=optimizer is not None)
    check_factories(network, loss, optimizer, schedule)

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
            downloads=tuple(downloads),
            train_images=train_images,
            validation_images=validation_images,
            weights=weights or _no_weights,
            samples=samples or door.samples,
            fitted_size=fitted_size,
            full_image_evaluation=full_image_evaluation,
            best_known=dict(best_known or {}),
            tolerances=dict(tolerances or {}),
            needs_root=door.needs_root,
            facts=None if door.needs_no_data else door.facts,
            inputs=None if image_size is not None and door.needs_no_data else door.inputs,
        )

    return decorate


def _no_weights(_setting: Setting, _root: Path | None) -> Path | None:
    return None
