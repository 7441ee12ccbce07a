"""A training so small that it takes a moment: random images of three classes, told apart by their brightness."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import SGD

from greenbench.data.augmentation import Augmentation
from greenbench.data.images import ResidentImages
from greenbench.data.labels import LabelData
from greenbench.data.normalization import Normalization
from greenbench.energy import Meter, Reading, Status
from greenbench.energy.sources.none import NoMeter
from greenbench.execute.train import train
from greenbench.execute.trainer import Trainer
from greenbench.nn.baselines import cross_entropy, sgd
from greenbench.nn.schedules import poly
from greenbench.spec.recipe import Recipe
from greenbench.spec.scale import InferenceScale, Scale
from greenbench.spec.workload import ACCURACY, Setting, Workload

CPU = torch.device("cpu")
STEPS_PER_EPOCH = 3
TRAIN_IMAGES, VALIDATION_IMAGES, BATCH = 22, 9, 8
NO_METER = NoMeter("not measured in this test")
HALF = Normalization((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def generator(seed):
    return torch.Generator().manual_seed(seed)


def network():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )  # fmt: skip


def small_data():
    labels = torch.arange(TRAIN_IMAGES + VALIDATION_IMAGES) % 3
    noise = torch.randint(0, 60, (len(labels), 3, 8, 8), generator=generator(0))
    images = (noise + 80 * labels.view(-1, 1, 1, 1)).to(torch.uint8)
    parts = (slice(TRAIN_IMAGES), slice(TRAIN_IMAGES, None))
    return LabelData(
        *(ResidentImages(images[part], labels[part]) for part in parts),
        augmentation=Augmentation(padding=1, flip=True, rotation_degrees=0),
        normalization=HALF,
        version="v",
        device=CPU,
    )


def small_recipe():
    return Recipe(
        task="classification",
        num_classes=3,
        image_size=(8, 8),
        ignore_index=None,
        epochs=4,
        batch_size=BATCH,
        learning_rate=0.1,
        network=network,
        optimizer=lambda net, rate: SGD(net.parameters(), lr=rate, momentum=0.9),
        schedule=poly,
        loss=lambda: F.cross_entropy,
    )


TINY = Scale("tiny", "all", 0.0, InferenceScale(2, 2, 0.0, 1, 0.0))


def squares_network(num_classes, setting, root):
    assert (num_classes, setting.network, root) == (3, {}, None)
    return network()


SQUARES = Workload(
    name="squares",
    title="Squares",
    card="What they are.",
    task="classification",
    metric=ACCURACY,
    num_classes=3,
    image_size=(8, 8),
    settings={"tiny": Setting(epochs=2, batch_size=8, learning_rate=0.1, evaluate_every=2, large_batch=4)},
    data=lambda root, device, setting=None: small_data(),
    network=squares_network,
    optimizer=sgd,
    schedule=poly,
    loss=cross_entropy,
    best_known={"accuracy": 1.0},
)


def run(recipe, data, meter=NO_METER, *, seed=0, metric=ACCURACY, **options):
    return train(Trainer(recipe, data, seed=seed, device=CPU), meter, metric, **options)


class Joules(Meter):
    """Reads as many joules as the number of the window, and remembers the windows' labels."""

    name = "joules"

    def __init__(self):
        super().__init__()
        self.labels = []

    def _open(self, label, trace):
        self.labels.append(label)
        return float(len(self.labels))

    def _close(self, label, opened, seconds):
        return (Reading(opened, Status.MEASURED, "joules", seconds),)
