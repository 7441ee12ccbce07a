"""Batches as trainings get them: of CIFAR-sized images in memory, and of Cityscapes-sized files that were decoded once."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision import transforms

from bench_tests.speed.contest import Contest, Target
from bench_tests.speed.data import BATCH, CIFAR, PilImages
from greenbench.data import cache
from greenbench.data.images import MaskFiles, ResidentImages
from greenbench.data.labels import LabelData
from greenbench.data.normalization import Normalization
from greenbench.data.views import View, random_view

T = TypeVar("T")

SCALES = (0.5, 2.0)
JITTER = 0.3
IGNORE = 255
"""As for the workload cityscapes."""

PILLOW = f"torchvision {version('torchvision')}, Pillow {version('pillow')}"


def cifar_input(images: int = 4096) -> Contest:
    """An epoch of CIFAR-100's training batches on one core, bytes on both sides."""
    pixels = torch.randint(256, (images, 3, 32, 32), dtype=torch.uint8)
    held = ResidentImages(pixels, torch.zeros(images, dtype=torch.long))
    data = LabelData(
        held, held, augmentation=CIFAR, normalization=Normalization(), version="random", device=torch.device("cpu")
    )  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    loader = torch.utils.data.DataLoader(PilImages(pixels), BATCH, shuffle=True)

    def ours() -> None:
        for _ in data.training_batches(BATCH, 1.0, generator):
            pass

    def peer() -> None:
        for _ in loader:
            pass

    def floor() -> None:
        for chosen in torch.randperm(images, generator=generator).split(BATCH):
            pixels.index_select(0, chosen)

    def difference() -> float:
        """Compare the mean brightness: the pipelines draw their own numbers."""
        made = torch.cat([batch for batch, _ in data.training_batches(BATCH, 1.0, generator)])
        theirs = torch.cat([batch for batch, _ in loader])
        return abs(float(made.double().mean() / theirs.double().mean()) - 1)

    return Contest(
        *map(on_one_thread, (ours, peer, floor)), f"{PILLOW}, DataLoader(0)", "copying the images", difference, 0.02,
        items=images, target=Target(speedup=15, per_s=250_000), clock=time.process_time,
    )  # fmt: skip


def on_one_thread(run: Callable[[], T]) -> Callable[[], T]:
    """Return what runs the same on one thread."""

    def alone() -> T:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return run()
        finally:
            torch.set_num_threads(threads)

    return alone


def as_a_worker(run: Callable[[], T], decoded: Path) -> Callable[[], T]:
    """Return what runs the same on one thread, as a worker process does, with the cache in the folder `decoded`."""

    def alone() -> T:
        folder = os.environ.get(cache.FOLDER_VARIABLE)
        os.environ[cache.FOLDER_VARIABLE] = str(decoded)
        try:
            return run()
        finally:
            del os.environ[cache.FOLDER_VARIABLE]
            if folder is not None:
                os.environ[cache.FOLDER_VARIABLE] = folder

    return on_one_thread(alone)


def street(random: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Return smooth shapes and a little noise (H, W, 3), which PNG halves, as it does photographs."""
    coarse = Image.fromarray(random.integers(256, size=(16, 32, 3), dtype=np.uint8))
    smooth = np.array(coarse.resize((width, height), Image.Resampling.BICUBIC), np.int16)
    return (smooth + random.integers(-3, 4, smooth.shape)).clip(0, 255).astype(np.uint8)


def cityscapes_input(images: int = 8, height: int = 1024) -> Contest:
    """Square views of half of `height`, on one core: from the files by PIL, and from the cache of decoded files."""
    crop = (height // 2, height // 2)
    streets = View(base_size=height, scale_range=SCALES, color_jitter=JITTER, ignore_index=IGNORE)
    folder = Path(tempfile.mkdtemp(prefix="greenbench-speed-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    random = np.random.default_rng(0)
    pairs = []
    for number in range(images):
        pair = tuple(folder / f"{what}-{number}.png" for what in ("image", "mask"))
        Image.fromarray(street(random, height, 2 * height)).save(pair[0])
        ids = Image.fromarray(random.integers(19, size=(32, 64), dtype=np.uint8))
        ids.resize((2 * height, height), Image.Resampling.NEAREST).save(pair[1])
        pairs.append(pair)
    files = MaskFiles(pairs)
    seeds = iter(range(2**62))
    color = transforms.Compose([transforms.ColorJitter(JITTER, JITTER, JITTER), transforms.PILToTensor()])

    def view_by_pil(index: int) -> tuple[Tensor, Tensor]:
        image, mask = Image.open(pairs[index][0]).convert("RGB"), Image.open(pairs[index][1])
        factor = SCALES[0] + (SCALES[1] - SCALES[0]) * torch.rand(()).item()
        size = [round(side * factor) for side in (height, 2 * height)]
        image = transforms.functional.resize(image, size)
        mask = transforms.functional.resize(mask, size, transforms.InterpolationMode.NEAREST)
        missing = [0, 0, max(0, crop[1] - size[1]), max(0, crop[0] - size[0])]
        image, mask = (
            transforms.functional.pad(x, missing, fill) for x, fill in ((image, 0), (mask, IGNORE))
        )
        place = transforms.RandomCrop.get_params(image, crop)
        image, mask = (transforms.functional.crop(x, *place) for x in (image, mask))
        if torch.rand(()) < 0.5:
            image, mask = transforms.functional.hflip(image), transforms.functional.hflip(mask)
        return color(image), transforms.functional.pil_to_tensor(mask)[0]

    def view(index: int) -> tuple[Tensor, Tensor]:
        return random_view(*files[index], crop, streets, 1.0, next(seeds))

    def ours() -> None:
        for index in range(images):
            view(index)

    def peer() -> None:
        for index in range(images):
            view_by_pil(index)

    def floor() -> None:
        for index in range(images):
            files[index][0][:, : crop[0], : crop[1]].clone()

    def difference() -> float:
        """Compare the mean brightness where there is an image: the pipelines draw their own numbers."""
        means = []
        for read in (view, view_by_pil):
            views = [read(index) for _ in range(4) for index in range(images)]
            inside = torch.cat([image.float().mean(0)[mask != IGNORE] for image, mask in views])
            means.append(float(inside.double().mean()))
        return abs(means[0] / means[1] - 1)

    return Contest(
        *(as_a_worker(run, folder / "decoded") for run in (ours, peer, floor)),
        f"{PILLOW}: decode, resize, crop", "copying a window", as_a_worker(difference, folder / "decoded"), 0.2,
        repeats=5,
        items=images, target=Target(speedup=10), clock=time.process_time,
    )  # fmt: skip


CONTESTS = {"cifar_input": cifar_input, "cityscapes_input": cityscapes_input}
