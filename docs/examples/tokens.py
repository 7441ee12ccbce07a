"""A task of your own: a label for each token of a sequence."""

import torch
from torch import nn
from torch.utils.data import TensorDataset

import greenbench

WORDS, LENGTH = 12, 10


class Tagger(nn.Module):
    """Says of each token whether it is larger than the one before it."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 32)
        self.body = nn.GRU(32, 32, batch_first=True)
        self.head = nn.Linear(32, 2)

    def forward(self, tokens):
        """Map tokens (N, L) to logits (N, 2, L)."""
        return self.head(self.body(self.embedding(tokens))[0]).mT


class TokenAccuracy:
    """The share of tokens with the right label."""

    def __init__(self):
        self.right, self.count = 0, 0

    def update(self, logits, labels):
        """Add a batch."""
        self.right += (logits.argmax(1) == labels).sum().item()
        self.count += labels.numel()

    def compute(self):
        """Return the share."""
        return self.right / self.count


@greenbench.workload(
    task="tagging",
    metric=greenbench.Metric("token_accuracy", "Token accuracy"),
    score=TokenAccuracy,
    loss=nn.CrossEntropyLoss,
    epochs=3,
    batch_size=32,
    learning_rate=0.2,
)
def rises():
    """Where a sequence of tokens rises."""
    tokens = torch.randint(WORDS, (640, LENGTH), generator=torch.Generator().manual_seed(0))
    labels = (tokens.diff(dim=1, prepend=tokens[:, :1]) > 0).long()
    return TensorDataset(tokens[:512], labels[:512]), TensorDataset(tokens[512:], labels[512:]), Tagger
