"""Small copies of the real data sets: how they are written and read."""

from types import SimpleNamespace

import numpy as np
import torch
from PIL import Image

from greenbench.study.catalog import discover

IGNORE_INDEX = 255
RANDOM = np.random.default_rng(0)
WORKLOADS = discover().workloads

STREET_IDS = np.resize([*range(34), 255], (8, 32))
UNUSED = [raw - 1 for raw in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91)]
"""Ids of COCO's 91 things that have no annotations, as the publishers list them, counted from 1; here from 0."""

PHOTOGRAPH_IDS = np.resize([raw for raw in [*range(182), 255] if raw not in UNUSED], (8, 32))
DRIVE_IDS = np.resize([*range(12), 255], (8, 32))


def load(name, root):
    data = WORKLOADS[name].data(root, torch.device("cpu"))
    train, validation = data._splits["train"], data._splits["validation"]
    return SimpleNamespace(train=train, validation=validation, data=data, version=data.version)


def write_image(file, height, width):
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = RANDOM.integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(file)
    return pixels


def write_mask(file, values):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint8)).save(file)
