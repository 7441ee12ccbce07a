"""Progressive resizing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from greenbench.errors import NotApplicable
from greenbench.spec.recipe import Recipe
from greenbench.spec.technique import technique

FACTORS = (1 / 8, 1 / 4, 1 / 2, 1.0)
SMALLEST_SIDE = 32
"""In pixels: BiSeNet halves its input five times."""


@dataclass(frozen=True)
class GrowingSize:
    """The factor on the image side by epoch: four equal parts of the run, and at least `smallest`."""

    smallest: float = 0.0

    def __call__(self, epoch: int, epochs: int) -> float:
        """Return the factor in an epoch (from 0); `ValueError` if the run has no such epoch."""
        if not 0 <= epoch < epochs:
            raise ValueError(f"epoch is {epoch}; it must lie in 0..{epochs - 1}")
        return min(1.0, max(FACTORS[len(FACTORS) * epoch // epochs], self.smallest))


@technique(
    "Data Augmentation",
    "Howard et al. 2018, fast.ai; Arani et al. 2019, arXiv:1912.01394",
    title="Prog. Resize",
    tasks=("segmentation",),
)
def progressive_resizing(recipe: Recipe) -> Recipe:
    """Progressive resizing: train on small images first and double their side three times.

    The side is 1/8, 1/4, 1/2 and 1 of the original, a quarter of the run each. Both sizes of the augmentation
    scale: the one that images are resized to and the one that is cropped from them. Work that grows with the
    pixels falls to ``(1/64 + 1/16 + 1/4 + 1) / 4 = 0.332`` of the baseline's.

    **Source.** Howard et al. 2018, fast.ai; Arani et al. 2019, RGPNet, arXiv:1912.01394; section 4.3 of the
    study.

    **Where.** Not in classification: the study finds images of 32 px too small for it.

    **Settings.** Switches at 1/4, 1/2 and 3/4 of the run: every 250 of 1000 epochs (Cityscapes), every 15 of
    60 (COCO-Stuff). Images are resampled with antialiasing, masks with nearest-exact, which keeps labels
    where their pixels are.

    **Deviations.** None known. Batch size and learning rate stay. Sides below 32 px, which the network cannot
    take, are raised to that; it concerns the scales smoke and tryout alone.

    **Unknown.** How the study resampled. Its energy is 0.41 and 0.46 of the baseline's, more than the 0.332
    of the pixels: part of the cost does not shrink with the image, and its energy meter ran during evaluation
    too.
    """
    if recipe.image_size is None:
        raise NotApplicable("progressive_resizing looked for the size of the images; this recipe has none")
    return replace(recipe, size_factor=GrowingSize(SMALLEST_SIDE / min(recipe.image_size)))
