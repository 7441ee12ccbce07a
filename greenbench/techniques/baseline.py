"""Baseline: what every technique is compared with.

**Classification.** ResNet-50 with a 3x3 stem and no max-pooling; SGD with momentum 0.9 and weight decay 5e-4
on all parameters; learning rate 0.1, times 0.2 after 30, 60 and 80 % of the epochs, after a linear
warm-up over the first epoch of 200; batch 128; cross-entropy; random crop, horizontal flip and, on
CIFAR-100, rotation by up to 15 degrees.

**Segmentation.** BiSeNet with a ResNet-18 backbone; SGD with momentum 0.9 and weight decay 5e-4 on weights;
polynomial decay with power 0.9; learning rate 0.025 and batch 16 on Cityscapes, 0.01 and 12 on COCO-Stuff;
pixel cross-entropy; random rescaling by 0.5 to 2 of a base size of 1024 or 640, random crop, horizontal
flip and, on Cityscapes, color jitter.

**Source.** Badar et al., "Highlighting the importance of reducing research bias and carbon emissions in
CNNs", section 3.1 (arXiv:2106.03242).

**Where the paper is silent**, the public code that its recipe matches decides: the places and factor of the
step decay, the warm-up, momentum, weight decay and augmentation for classification; momentum, weight
decay without norms and biases, flip and color jitter for segmentation.

**Deviations.** The auxiliary heads of BiSeNet are not computed: in the authors' code they give no
gradient, so that computing them would only cost. The authors' meter ran an evaluation after every
training step; here training and evaluation are measured apart. The backbone starts from torchvision's ImageNet weights
where `resnet18-f37072fd.pth` lies in the data root, as in the study, and from random weights elsewhere;
the record says which.
"""

from greenbench.recipe import Technique

TECHNIQUE = Technique(
    name="baseline",
    title="Baseline",
    category="Baseline",
    citation="Badar et al. 2021",
    apply=lambda recipe: recipe,
)
