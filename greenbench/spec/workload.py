"""A workload: data, network, baseline recipe, metric and settings, all that is known of one task. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from greenbench.errors import UserError
from greenbench.spec.download import Download
from greenbench.spec.places import found_instead
from greenbench.spec.recipe import Batch, LossFunction, Recipe, ScheduleFactory, Size
from greenbench.spec.scale import Inputs
from greenbench.spec.setting import SPLITS, Drawn
from greenbench.spec.setting import Setting as Setting
from greenbench.spec.setting import Split as Split
from greenbench.spec.setting import Subset as Subset
from greenbench.spec.source import Source
from greenbench.spec.technique import check_name

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
    from torch.optim import Optimizer

DATA_ENVIRONMENT_VARIABLE = "GREENBENCH_DATA"


class Score(Protocol):
    """A metric that adds up over batches."""

    def update(self, logits: Tensor, targets: Tensor) -> None:
        """Add one batch."""
        ...

    def compute(self) -> dict[str, float]:
        """Return values by name, among them the workload's metric."""
        ...


class Data(Protocol):
    """A workload's data as the training loop sees them: batches, what makes inputs of them, and a score."""

    version: str
    """What tells this copy from another: results on different versions are not compared."""

    def size(self, split: Split) -> int:
        """Return the number of samples of a split."""
        ...

    def steps_per_epoch(self, batch_size: int) -> int:
        """Return the number of training batches in one epoch."""
        ...

    def training_batches(
        self, batch_size: int, size_factor: float, generator: torch.Generator
    ) -> Iterator[Batch]:
        """Yield one epoch of shuffled, augmented batches, images as (N, 3, H, W) uint8 where they have pixels.

        `generator` draws all that is random; the order by `greenbench.data.loading.draw_order`, if seeds are to vary it
        or the augmentation alone.
        """
        ...

    def evaluation_batches(self, split: Split) -> Iterator[Batch]:
        """Yield the batches that are evaluated, not augmented."""
        ...

    def normalize(self, inputs: Any) -> Any:
        """Return what the network sees of a batch's inputs."""
        ...

    def score(self) -> Score:
        """Return a fresh score."""
        ...


class ReadData(Protocol):
    """Reads a workload's data: all of them, or what a setting asks for."""

    def __call__(self, root: Path | None, device: torch.device, setting: Setting | None = None) -> Data:
        """Return data whose images are read as far as they are kept in memory."""
        ...


PART = "/"  # between a metric's name and that of a part of it, such as a class: miou/3


@dataclass(frozen=True)
class Metric:
    """What a workload is judged by.

    Attributes
    ----------
    name
        Its key in what `Score.compute` returns. Keys that begin with it and a `PART` are parts of it, such as classes.
    title
        As the tables print it.
    unit
        ``%`` for fractions that are shown as percentages, else the unit of the value, or nothing.
    better
        Which direction is good.
    per_image
        Whether it is a share of the evaluated images, so that it can only be a multiple of 1/n.
    """

    name: str
    title: str
    unit: str = "%"
    better: Literal["higher", "lower"] = "higher"
    per_image: bool = False


ACCURACY = Metric("accuracy", "Accuracy", per_image=True)
MIOU = Metric("miou", "mIoU")


@dataclass(frozen=True)
class Workload:
    """One task to be learned. Its file holds all that is known of it.

    Attributes
    ----------
    name, title
        As in test ids, and as the tables print it.
    card
        What it is, in Markdown; its source.
    task
        The word by which techniques say where they apply, such as ``classification``.
    metric
        What the tables show first and verdicts judge.
    num_classes
        Number of classes; None for a task without, and where only the data tell it.
    image_size
        Of a training image, after cropping; None as for `num_classes`.
    settings
        By scale's name. A workload takes part in the scales that are here.
    data
        Reads the data: takes the data root, the device that trains, and a setting, which may ask for a part of them.
    network
        Builds the network: takes the number of classes, the setting and the data root.
    optimizer
        Builds the optimizer from the network and the learning rate.
    schedule, loss
        As in `Recipe`.
    ignore_index
        Label of targets that do not count, or None.
    folder
        Folder below the data root that must be there; None for data that come with the package.
    other_folder
        One that may be there in its place, or None.
    how_to_get
        One sentence for those who have not got the data.
    downloads
        What of them, and of the network's weights, has a public address and a known checksum.
    train_images, validation_images
        Official numbers, where they are known.
    weights
        Takes setting and data root, returns the file of weights that the network starts from, or None.
    samples
        Takes data root and split, returns what gives (image, target) by index, read when it is asked for; None for batches
        without samples.
    fitted_size
        Images at inference that the study's FLOPs fit, where they are not those of training.
    full_image_evaluation
        Whether images are evaluated at their own sizes, which are not `image_size`; or what size most of them have.
    best_known
        The best published value of each metric with this network; what lies far above is another metric or an error.
    tolerances
        Its own tolerances by quantity, as for `greenbench.spec.technique.Technique`.
    needs_root
        Whether a data root has to be given.
    facts
        Takes the data root, reads the data and returns number of classes and image size; None where both are stated.
    inputs
        Takes the same as `example`; None for random images.
    source
        Its file; discovery fills it in.
    """

    name: str
    title: str
    task: str
    metric: Metric
    num_classes: int | None
    image_size: Size | None
    settings: Mapping[str, Setting]
    data: ReadData
    network: Callable[[Any, Setting, Path | None], nn.Module]
    optimizer: Callable[[nn.Module, float], Optimizer]
    schedule: ScheduleFactory
    loss: Callable[[], LossFunction]
    ignore_index: int | None = None
    card: str = ""
    folder: str | None = None
    other_folder: str | None = None
    how_to_get: str = ""
    downloads: Sequence[Download] = ()
    train_images: int | None = None
    validation_images: int | None = None
    weights: Callable[[Setting, Path | None], Path | None] = lambda _setting, _root: None
    samples: Callable[[Path, Split], Any] = lambda _root, _split: None
    fitted_size: Size | None = None
    full_image_evaluation: bool | Size = False
    best_known: Mapping[str, float] = field(default_factory=dict)
    tolerances: Mapping[str, float] = field(default_factory=dict)
    needs_root: bool = False
    facts: Callable[[Path | None], tuple[int | None, Size | None]] | None = None
    inputs: Callable[[int, Size | None, torch.Generator, Path | None], Any] | None = None
    source: Source = field(default_factory=Source)

    def __post_init__(self) -> None:
        check_name(self.name, "workload")

    def read(self, root: Path | None = None) -> Workload:
        """Return the workload with number of classes and image size, for which the data are read where need be."""
        if self.facts is None:
            return self
        num_classes, image_size = self.facts(root)
        return replace(
            self,
            num_classes=self.num_classes or num_classes,
            image_size=self.image_size or image_size,
            facts=None,
        )

    def example(
        self, batch_size: int, image_size: Size | None, generator: torch.Generator, root: Path | None = None
    ) -> Any:
        """Return what the network takes at inference: a batch on the CPU, random images of that size by default."""
        if self.inputs is not None:
            return self.inputs(batch_size, image_size, generator, root)
        import torch

        size = image_size or self.image_size
        if size is None:
            raise UserError(f"workload {self.name!r} does not say what its network takes", "give it inputs=")
        return torch.randn((batch_size, 3, *size), generator=generator)

    def recipe(self, scale: str, root: Path | None = None) -> Recipe:
        """Return the baseline's recipe at a scale; see `read` for what only the data tell.

        Raises
        ------
        UserError
            If the workload has no setting for that scale.
        """
        setting = self.setting(scale)
        return Recipe(
            task=self.task,
            num_classes=self.num_classes,
            image_size=self.size_at(scale),
            ignore_index=self.ignore_index,
            epochs=setting.epochs,
            batch_size=setting.batch_size,
            learning_rate=setting.learning_rate,
            network=partial(self.network, self.num_classes, setting, root),
            optimizer=self.optimizer,
            schedule=self.schedule,
            loss=self.loss,
        )

    def data_at(self, scale: str, root: Path | None, device: torch.device) -> Data:
        """Return the data that a scale uses."""
        setting = self.setting(scale)
        if setting.subset is None and setting.image_size is None:
            return self.data(root, device)
        return self.data(root, device, setting)

    def setting(self, scale: str) -> Setting:
        """Return how the workload runs at a scale; `UserError` where it does not."""
        if scale not in self.settings:
            raise UserError(
                f"workload {self.name!r} has no setting for the scale {scale!r}",
                f"choose one of {', '.join(self.settings)}",
            )
        return self.settings[scale]

    def size_at(self, scale: str) -> Size | None:
        """Return the size of a training image at a scale."""
        return self.setting(scale).image_size or self.image_size

    def inference_size(self, inputs: Inputs, scale: str | None = None) -> Size | None:
        """Return the size of the images that networks are measured on: at a scale with a size of its own, that size."""
        own = None if scale is None else self.setting(scale).image_size
        return own or (
            self.image_size if inputs == "stated" or self.fitted_size is None else self.fitted_size
        )

    def partial(self, data: Data) -> str | None:
        """Return which official numbers of images are not those that were found, used or not; None where all are."""
        drawn: Drawn | None = getattr(data, "drawn", None)
        official: dict[Split, int | None] = {"train": self.train_images, "validation": self.validation_images}
        found = {split: drawn.found[split] if drawn else data.size(split) for split in official}
        unlike = [
            f"{found[split]:,} of {whole:,} {SPLITS[split]} images"
            for split, whole in official.items()
            if whole is not None and found[split] != whole
        ]
        return " and ".join(unlike) or None

    def evaluated_size(self, scale: str) -> Size | None:
        """Return the size of an evaluated image at a scale, as far as it is known without the data."""
        whole, size = self.full_image_evaluation, self.size_at(scale)
        if isinstance(whole, bool) or size is None or self.image_size is None:
            return size
        # All else in pixels follows the size of a training image.
        return tuple(round(w * s / o) for w, s, o in zip(whole, size, self.image_size, strict=True))  # type: ignore[return-value]

    @property
    def can_be_downloaded(self) -> bool:
        """Whether a download holds the data themselves."""
        return any(
            download.folder in (self.folder, self.other_folder)
            for download in self.downloads
            if download.folder
        )

    def missing(self, root: Path | None) -> str | None:
        """Return why the data cannot be read below `root`, or None if they are there."""
        if root is None and (self.needs_root or self.folder is not None):
            return (
                f"{self.name}: no data root was given (--green-data or {DATA_ENVIRONMENT_VARIABLE}). "
                f"{self.how_to_get}"
            ).rstrip()
        if root is None or self.folder is None:
            return None
        if not any((root / folder).is_dir() for folder in (self.folder, self.other_folder) if folder):
            instead = found_instead(root, self.folder, self.how_to_get)
            what = "which is not there" if instead is None else f"and {instead[:-1]}"
            return f"{self.name}: looked for {root / self.folder}, {what}. {self.how_to_get}"
        return None


def check_root(root: Path) -> Path:
    """Return `root` if it is a folder that can be read; `UserError` otherwise."""
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise UserError(
            f"the data root {root} {what}", "give the folder that holds cifar-100-binary and the like"
        )
    try:
        next(root.iterdir(), None)
    except PermissionError as error:
        raise UserError(
            f"the data root {root} cannot be read ({error.strerror})", "change its permissions"
        ) from error
    return root
