"""A task of your own: numbers from numbers, with a metric where less is better."""

import torch
from torch import nn
from torch.utils.data import TensorDataset

import greenbench


class MeanAbsoluteError:
    """Adds up over batches. torchmetrics' metrics can be used as they are."""

    def __init__(self):
        self.total, self.count = 0.0, 0

    def update(self, outputs, targets):
        """Add a batch."""
        self.total += (outputs - targets).abs().sum().item()
        self.count += targets.numel()

    def compute(self):
        """Return the mean."""
        return self.total / self.count


@greenbench.workload(
    task="regression",
    metric=greenbench.Metric("mae", "MAE", unit="", better="lower"),
    score=MeanAbsoluteError,
    loss=nn.MSELoss,
    epochs=5,
    batch_size=32,
    learning_rate=0.05,
)
def waves():
    """The sum of two sines, from eight numbers."""
    points = torch.rand(640, 8, generator=torch.Generator().manual_seed(0)) * 4
    values = points[:, :1].sin() + points[:, 1:2].cos()
    train, validation = TensorDataset(points[:512], values[:512]), TensorDataset(points[512:], values[512:])
    return train, validation, lambda: nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 1))
