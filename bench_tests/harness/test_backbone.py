"""The segmentation backbone starts from ImageNet weights where they are, and the file is checked."""

import hashlib
from dataclasses import replace

import pytest
import torch

from greenbench.datasets import discover
from greenbench.errors import UserError
from greenbench.networks.resnet import resnet18_backbone
from greenbench.protocol import PROTOCOLS
from greenbench.tasks import baseline_recipe, segmentation


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Put a state dict into the data root, named by its digest as torchvision's files are."""
    state = resnet18_backbone().state_dict()
    torch.save(state, tmp_path / "any.pth")
    name = f"resnet18-{hashlib.sha256((tmp_path / 'any.pth').read_bytes()).hexdigest()[:8]}.pth"
    (tmp_path / "any.pth").rename(tmp_path / name)
    monkeypatch.setattr(segmentation, "BACKBONE_WEIGHTS", name)
    return tmp_path / name, state


def test_the_backbone_starts_from_the_file_in_the_data_root(weights):
    path, state = weights
    network = baseline_recipe(discover()["cityscapes"], PROTOCOLS["paper"], path.parent).network()
    loaded = network.backbone.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in state.items())


def test_without_the_file_it_starts_from_random_weights(tmp_path):
    assert segmentation.backbone_weights(PROTOCOLS["paper"], tmp_path) is None
    assert segmentation.backbone_weights(PROTOCOLS["paper"], None) is None


def test_a_narrow_network_takes_no_weights(weights):
    path, _ = weights
    assert segmentation.backbone_weights(PROTOCOLS["paper"], path.parent) == path
    assert segmentation.backbone_weights(replace(PROTOCOLS["paper"], width=0.5), path.parent) is None


def test_a_damaged_file_is_refused_naming_it(weights):
    path, _ = weights
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=f"{path.name} has SHA-256 .* download it again"):
        baseline_recipe(discover()["cityscapes"], PROTOCOLS["paper"], path.parent).network()
