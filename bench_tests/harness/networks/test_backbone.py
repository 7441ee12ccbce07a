"""The segmentation backbone starts from ImageNet weights where they are, and the file is checked."""

import hashlib
from dataclasses import replace

import pytest
import torch

from greenbench.errors import UserError
from greenbench.networks import factories as module
from greenbench.networks.factories import backbone_weights
from greenbench.networks.resnet import resnet18_backbone
from greenbench.spec.download import Download
from greenbench.spec.workload import Setting
from greenbench.study.catalog import discover

SEGMENTATION = ("camvid", "cityscapes", "coco_stuff")
WORKLOADS = discover().workloads


def sized(width):
    return Setting(epochs=1, batch_size=1, learning_rate=0.1, network={"width": width})


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Put a state dict into the data root, named by its digest as torchvision's files are."""
    state = resnet18_backbone().state_dict()
    torch.save(state, tmp_path / "any.pth")
    name = f"resnet18-{hashlib.sha256((tmp_path / 'any.pth').read_bytes()).hexdigest()[:8]}.pth"
    (tmp_path / "any.pth").rename(tmp_path / name)
    monkeypatch.setattr(module, "BACKBONE_DOWNLOAD", Download(f"https://any.where/{name}", "sha256:f37072fd"))
    return tmp_path / name, state


@pytest.mark.parametrize("name", SEGMENTATION)
def test_the_backbone_starts_from_the_file_in_the_data_root(name, weights):
    path, state = weights
    workload = WORKLOADS[name]
    assert workload.weights(workload.setting("short"), path.parent) == path
    network = workload.recipe("short", path.parent).network()
    loaded = network.backbone.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in state.items())


@pytest.mark.parametrize("name", SEGMENTATION)
def test_without_the_file_it_starts_from_random_weights(name, tmp_path):
    workload = WORKLOADS[name]
    for root in (tmp_path, None):
        assert workload.weights(workload.setting("short"), root) is None
    assert workload.recipe("short", tmp_path).network()


def test_classification_starts_from_random_weights(weights):
    for workload in WORKLOADS.values():
        if workload.task == "classification":
            assert all(workload.weights(s, weights[0].parent) is None for s in workload.settings.values())


def test_a_narrow_or_shallow_network_takes_no_weights(weights):
    path, _ = weights
    assert backbone_weights(sized(1), path.parent) == path
    assert backbone_weights(sized(0.5), path.parent) is None
    shallow = sized(1)
    shallow = replace(shallow, network={**shallow.network, "blocks_per_stage": (1, 1, 1, 1)})
    assert backbone_weights(shallow, path.parent) is None


def test_a_damaged_file_is_refused_naming_it(weights):
    path, _ = weights
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=f"{path.name} has SHA-256 .* download it again"):
        WORKLOADS["cityscapes"].recipe("paper", path.parent).network()
