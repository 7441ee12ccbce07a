"""Your own images and torchvision's ResNet-18, as a workload."""

import torchvision

import greenbench


@greenbench.workload(metric="accuracy", epochs=6, batch_size=16, learning_rate=0.02)
def shapes(root):
    """Four shapes on noise, ResNet-18 at 32 px."""
    train, validation = greenbench.image_folders(root / "shapes", size=32)
    return train, validation, lambda: torchvision.models.resnet18(num_classes=4)
