"""The baseline."""

from greenbench.spec.recipe import Recipe
from greenbench.spec.technique import technique


@technique("Baseline", "Badar et al. 2021")
def baseline(recipe: Recipe) -> Recipe:
    """Baseline: the workload's own recipe, with which every technique is compared.

    **Classification.** ResNet-50 with a 3x3 stem and no max-pooling; SGD with momentum 0.9 and weight decay
    5e-4 on all parameters; the learning rate is multiplied by 0.2 after 30, 60 and 80 % of the epochs, after
    a linear warm-up; cross-entropy.

    **Segmentation.** BiSeNet with a ResNet-18 backbone; SGD with momentum 0.9 and weight decay 5e-4 on
    weights; polynomial decay with power 0.9; pixel cross-entropy.

    **Settings.** Epochs, batch size, learning rate, warm-up and augmentation are the workload's: its card and
    its file say them.

    **Source.** Badar et al., Highlighting the importance of reducing research bias and carbon emissions in
    CNNs, section 3.1 (arXiv:2106.03242).

    **Unknown.** Where the paper is silent, the public code that its recipe matches decides: places and factor
    of the step decay, warm-up, momentum, weight decay and augmentation in classification; momentum, weight
    decay without norms and biases, flip and color jitter in segmentation.

    **Deviations.** The auxiliary heads of BiSeNet are not computed: in the authors' code they give no
    gradient, so they would only cost. The authors' energy meter ran an evaluation after every training step;
    here training and evaluation are measured apart. The backbone starts from torchvision's ImageNet weights,
    as in the study, where `resnet18-f37072fd.pth` lies in the data root, and from random weights elsewhere;
    the record says which.
    """
    return recipe
