"""Images in folders, one for each class: torchvision's ImageFolder layout. Decoded when they are asked for."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from greenbench.data.augmentation import Augmentation
from greenbench.data.decoding import decode_image
from greenbench.data.images import as_image
from greenbench.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""What torchvision takes for an image."""

VALIDATION_NAMES = ("val", "valid", "validation", "test")
VALIDATION_EVERY = 5

LabeledFile = tuple[Path, int]


class FolderImages:
    """Labeled image files, each as a tensor (3, size, size) uint8.

    Parameters
    ----------
    files
        With their labels.
    classes
        Their names, by label.
    size
        Pixels of the short side, and of the square that is cut from the center.
    augmentation
        Of training images, or None.
    """

    thread_safe = True

    def __init__(
        self,
        files: list[LabeledFile],
        classes: list[str],
        size: int,
        augmentation: Augmentation | None = None,
    ) -> None:
        self.files = [file for file, _ in files]
        self.targets = [label for _, label in files]
        self.classes = classes
        self.size = size
        self.augmentation = augmentation

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = as_image(decode_image(self.files[index], cure="remove it or put the image there again"))
        return _center(image, self.size), self.targets[index]


def image_folders(path: Path | str, size: int = 224) -> tuple[FolderImages, FolderImages]:
    """Return training and validation images of a folder that has a folder for each class.

    Either ``path/train/CLASS/*`` and ``path/val/CLASS/*`` (or ``valid``, ``validation``, ``test``), or
    ``path/CLASS/*``, of which every fifth image of a class, in the order of names, is for validation. Images may have any
    size and format that Pillow reads. The short side becomes `size` pixels, and the square in the center is taken.
    Training images are then shifted by up to an eighth and mirrored, unless the workload states another
    ``augmentation=``.

    Raises
    ------
    UserError
        If the folder has another layout, or its two parts have other classes.
    """
    path = Path(path)
    if not isinstance(size, int) or size < 1:
        raise UserError(f"image_folders: size is {size!r}", "give the side of the images in pixels")
    if not path.is_dir():
        raise UserError(f"{path} is no folder", "give one with a folder of images for each class")
    if (path / "train").is_dir():
        train, validation = _class_folders(path / "train"), _class_folders(_validation_folder(path))
        if [*train] != [*validation]:
            alone = min({*train} ^ {*validation})
            raise UserError(
                f"{path} has the class {alone} in one of its two parts alone", "give both the same classes"
            )
        splits = train, validation
    else:
        splits = _split(_class_folders(path))
    augmentation = Augmentation(padding=size // 8, flip=True)
    made = [
        FolderImages(
            [(file, label) for label, files in enumerate(split.values()) for file in files],
            [*split],
            size,
            own,
        )
        for split, own in zip(splits, (augmentation, None), strict=True)
    ]
    return made[0], made[1]


def _validation_folder(path: Path) -> Path:
    for name in VALIDATION_NAMES:
        if (path / name).is_dir():
            return path / name
    raise UserError(
        f"{path} has a folder train and none of {', '.join(VALIDATION_NAMES)}",
        "name the folder of the validation images val",
    )


def _class_folders(path: Path) -> dict[str, list[Path]]:
    """Return the sorted images of every class, in the order of their names."""
    folders = _folders(path)
    if not folders:
        what = "images and no folders" if _images(path) else "no folders"
        raise UserError(f"{path} holds {what}", "put the images of each class into a folder of its own")
    classes = {folder.name: _images(folder) for folder in folders}
    for folder in folders:
        if classes[folder.name]:
            continue
        deeper = [inner for inner in _folders(folder) if _images(inner)]
        if deeper:
            raise UserError(
                f"{folder} holds no images but folders with images, such as {deeper[0].name}",
                f"give the folder whose folders are the classes, such as {folder}",
            )
        raise UserError(
            f"{folder} holds no images ({', '.join(SUFFIXES)})", "remove it, or put the class's images there"
        )
    if len(classes) == 1:
        raise UserError(f"{path} holds one class, {folders[0].name}", "add the folder of another class")
    return classes


def _split(classes: dict[str, list[Path]]) -> tuple[dict[str, list[Path]], dict[str, list[Path]]]:
    for name, files in classes.items():
        if len(files) == 1:
            raise UserError(
                f"{files[0].parent} holds a single image, and the class {name} is to be learned and validated",
                "add another one",
            )
    validation = {name: files[::VALIDATION_EVERY] for name, files in classes.items()}
    train = {
        name: [f for n, f in enumerate(files) if n % VALIDATION_EVERY] for name, files in classes.items()
    }
    return train, validation


def _folders(path: Path) -> list[Path]:
    """Return the folders in a folder, sorted by name; none that systems make for themselves."""
    return sorted(inner for inner in path.iterdir() if inner.is_dir() and inner.name[0] not in "._")


def _images(folder: Path) -> list[Path]:
    files = (file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
    return sorted(file for file in files if not file.name.startswith("."))


def _center(image: Tensor, size: int) -> Tensor:
    """Return the square in the center of an image (3, H, W) whose short side has become `size`."""
    height, width = image.shape[1:]
    short = min(height, width)
    if short != size:
        scaled = round(height * size / short), round(width * size / short)
        image = F.interpolate(image[None], size=scaled, mode="bilinear", antialias=True)[0]
    top, left = ((side - size) // 2 for side in image.shape[1:])
    return torch.clone(image[:, top : top + size, left : left + size])
