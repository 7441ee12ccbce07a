"""A task of your own: targets that are dictionaries, and as many boxes as an image has."""

import torch
from torch import nn
from torch.utils.data import Dataset
from torchvision.ops import box_iou

import greenbench


class Boxes(Dataset):
    """One or two bright boxes on dark images of 32 px."""

    def __init__(self, length, seed):
        self.length, self.seed = length, seed

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(self.seed + index)
        image = torch.randint(60, (3, 32, 32), dtype=torch.uint8, generator=generator)
        boxes = []
        for half in range(1 + index % 2):
            x, y = (int(torch.randint(low, low + 7, (), generator=generator)) for low in (1, 1 + 16 * half))
            image[:, y : y + 8, x : x + 16] = 220
            boxes.append([x, y, x + 16, y + 8])
        return image, {"boxes": torch.tensor(boxes, dtype=torch.float32)}


def collate(samples):
    """Stack the images; targets stay a list of dictionaries."""
    images, targets = zip(*samples, strict=True)
    return torch.stack(images), list(targets)


class Detector(nn.Module):
    """One box for the upper half of an image, one for the lower, and whether each is there."""

    def __init__(self):
        super().__init__()
        layers = [nn.Conv2d(3, 16, 3, 2), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 32, 3, 2), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * 7 * 7, 10))

    def forward(self, images):
        """Return boxes (N, 2, 4) in pixels, and logits (N, 2)."""
        found = self.body(images).view(-1, 2, 5)
        return {"boxes": found[..., :4] * 8 + 16, "logits": found[..., 4]}


def loss(outputs, targets):
    """Add the boxes' distance to the loss of whether they are there."""
    there = torch.zeros_like(outputs["logits"])
    distance = torch.zeros((), device=there.device)
    for row, target in enumerate(targets):
        count = len(target["boxes"])
        there[row, :count] = 1
        distance = distance + (outputs["boxes"][row, :count] - target["boxes"]).abs().mean()
    return distance / len(targets) / 8 + nn.functional.binary_cross_entropy_with_logits(
        outputs["logits"], there
    )


class MeanOverlap:
    """The mean overlap of each box with the one that was found for it."""

    def __init__(self):
        self.overlaps = []

    def update(self, outputs, targets):
        """Add a batch."""
        for boxes, target in zip(outputs["boxes"], targets, strict=True):
            self.overlaps += box_iou(target["boxes"], boxes).diag().tolist()

    def compute(self):
        """Return the mean."""
        return sum(self.overlaps) / len(self.overlaps)


@greenbench.workload(
    task="detection",
    metric=greenbench.Metric("overlap", "Overlap"),
    score=MeanOverlap,
    loss=lambda: loss,
    collate=collate,
    epochs=4,
    batch_size=16,
    learning_rate=0.02,
)
def boxes():
    """Bright boxes on noise."""
    return Boxes(256, seed=0), Boxes(64, seed=1000), Detector
