"""Any data set of (image, target) pairs, as it is: one with random transforms, and a network of your own."""

import torch
from torch import nn
from torch.utils.data import Dataset
from torchvision.transforms import v2

import greenbench


class Stripes(Dataset):
    """Stripes in two directions."""

    def __init__(self, length, seed):
        self.numbers = torch.rand(length, generator=torch.Generator().manual_seed(seed))
        self.transform = v2.Compose([v2.RandomCrop(24), v2.ToDtype(torch.float32, scale=True)])

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, index):
        label = index % 2
        wave = torch.sin(torch.arange(32) * (0.3 + self.numbers[index])).mul(100).add(120)
        image = wave.expand(3, 32, 32).to(torch.uint8)
        return self.transform(image if label else image.mT), label


def network():
    """Return a small network."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 5),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32, 2),
    )


@greenbench.workload(metric="accuracy", epochs=2, batch_size=16)
def stripes():
    """Stripes, upright or level; no data root is needed."""
    return Stripes(128, seed=0), Stripes(64, seed=1), network
