"""Counting: hand-derived figures, two counters that agree, and the printed tables."""

import json
from dataclasses import asdict

import pytest
import torch
from torch import nn

from greenbench.cli import main
from greenbench.execute.counts import count
from greenbench.datasets import discover as discover_datasets
from greenbench.errors import UserError
from greenbench.nn.layers.blurpool import BlurPool2d
from greenbench.nn.layers.coordconv import CoordConv2d
from greenbench.nn.layers.gather_excite import GatherExciteTheta
from greenbench.nn.layers.spatial_bottleneck import SpatialBottleneck2d
from greenbench.paper.recount import counted, recount
from greenbench.paper.setups import ARCHITECTURES
from greenbench.protocol import find_protocol
from greenbench.tasks import baseline_recipe
from greenbench.techniques import discover, find

# Each derived by hand: outputs x kernel x inputs per output.
BY_HAND = [
    # 3 -> 8, 3x3, 10x12 kept: 120 positions x 8 x 27; the study adds one per output for the bias.
    ("convolution", nn.Conv2d(3, 8, 3, padding=1), (1, 3, 10, 12), 224, 120 * 8 * 27 + 960, 120 * 8 * 27),
    # Stride 2 on odd sides: ceil(9 / 2) x ceil(7 / 2) = 5 x 4.
    ("strided", nn.Conv2d(2, 4, 3, 2, 1, bias=False), (1, 2, 9, 7), 72, 20 * 4 * 18, 20 * 4 * 18),
    ("grouped", nn.Conv2d(4, 4, 3, groups=4, bias=False), (1, 4, 5, 5), 36, 9 * 4 * 9, 9 * 4 * 9),
    ("batch of 3", nn.Conv2d(1, 1, 1, bias=False), (3, 1, 2, 2), 1, 12, 12),
    # A transposed convolution multiplies once for each input position and weight.
    ("transposed", nn.ConvTranspose2d(2, 3, 3, 2, 1, 1, bias=False), (1, 2, 4, 4), 54, 0, 16 * 54),
    ("linear", nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), (1, 3, 2, 2), 65, 0, 60),
    ("fixed blur", BlurPool2d(3), (1, 3, 8, 8), 0, 0, 3 * 16 * 25),
    ("coordinates", CoordConv2d(3, 4, 3, padding=1, bias=False), (1, 3, 6, 6), 216, 36 * 216, 36 * 216),
    # Kernel over the whole map, and a batch norm of 5 channels.
    ("gather", GatherExciteTheta(5, (4, 6)), (1, 5, 4, 6), 130, 120, 120),
    # 3x3 from 4 to 2 on a quarter of 8x8, and back.
    ("bottleneck", SpatialBottleneck2d(4), (1, 4, 8, 8), 144, 16 * 72, 16 * 72 + 16 * 72),
    ("norm and pooling", nn.Sequential(nn.BatchNorm2d(3), nn.AvgPool2d(2)), (1, 3, 4, 4), 6, 0, 0),
]  # fmt: skip


@pytest.mark.parametrize("counter", ["torch", "fvcore"])
@pytest.mark.parametrize(
    ("layer", "shape", "params", "conv_macs", "full_macs"),
    [case[1:] for case in BY_HAND],
    ids=[case[0] for case in BY_HAND],
)
def test_counts_are_those_derived_by_hand(layer, shape, params, conv_macs, full_macs, counter):
    found = count(layer, shape, counter)
    assert (found.params, found.conv_macs, found.full_macs) == (params, conv_macs, full_macs)


def test_counting_leaves_the_network_as_it_is():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), BlurPool2d(4)).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    count(network, (1, 3, 9, 9))
    assert network.training
    assert not network[0]._forward_hooks
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_a_layer_that_runs_twice_counts_twice():
    layer = nn.Conv2d(2, 2, 1, bias=False)
    assert count(nn.Sequential(layer, layer), (1, 2, 3, 3)).full_macs == 2 * 9 * 4


def test_an_unused_layer_counts_parameters_alone():
    class Idle(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.idle = nn.Conv2d(1, 1, 1, bias=False), nn.Conv2d(1, 7, 1, bias=False)

        def forward(self, x):
            return self.used(x)

    found = count(Idle(), (1, 1, 2, 2))
    assert (found.params, found.full_macs) == (8, 4)


def test_an_unknown_counter_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match="'abacus' is unknown; choose one of torch, fvcore"):
        count(nn.Identity(), (1, 3, 2, 2), "abacus")


def _smoke_recipe(technique, dataset):
    recipe = baseline_recipe(discover_datasets()[dataset], find_protocol("smoke"))
    return find(discover(), technique)(recipe)


@pytest.mark.parametrize(
    ("technique", "dataset"),
    [(name, "scenes4") for name in ARCHITECTURES]
    + [(name, "digits") for name in ARCHITECTURES if name != "one_branch"],
)
def test_both_counters_agree_on_every_variant(technique, dataset):
    recipe = _smoke_recipe(technique, dataset)
    network, shape = recipe.network(), (1, 3, *recipe.image_size)
    assert count(network, shape, "torch") == count(network, shape, "fvcore")


def test_the_tables_are_reproduced_to_57_of_60_printed_figures():
    rows = counted().values()
    verdicts = [verdict for row in rows for verdict in (row.params_verdict, row.flops_verdict)]
    assert len(verdicts) == 60
    assert verdicts.count("rounds") == 52
    assert verdicts.count("truncates") == 5
    differing = {
        (row.dataset, row.technique) for row in rows if "differs" in (row.params_verdict, row.flops_verdict)
    }
    assert differing == {
        ("coco_stuff", "ge_theta"),
        ("cifar100", "coordconv"),
        ("tiny_imagenet", "coordconv"),
    }


@pytest.mark.parametrize("basis", ["fitted", pytest.param("stated", marks=pytest.mark.slow)])
def test_the_shipped_counts_are_what_counting_gives(basis):
    assert list(recount(basis)) == list(counted(basis).values())


@pytest.mark.parametrize(
    ("dataset", "technique", "params", "conv_macs"),
    [
        ("cityscapes", "baseline", 14_007_777, 25_931_145_216),
        ("cityscapes", "one_branch", 13_883_041, 22_852_526_080),
        ("cityscapes", "switchnorm", 14_007_867, 25_931_145_216),
        ("cityscapes", "ge_theta", 21_875_937, 25_939_009_536),
        ("cityscapes", "coordconv", 14_017_185, 27_164_270_592),
        ("cifar100", "baseline", 23_705_252, 1_297_809_408),
        ("tiny_imagenet", "ge_theta", 25_883_912, 1_298_300_928),
    ],
)
def test_counts_of_the_full_networks(dataset, technique, params, conv_macs):
    row = counted()[dataset, technique]
    assert (row.params, row.conv_macs) == (params, conv_macs)


def test_stated_inputs_give_other_flops_than_printed():
    row = counted("stated")["cityscapes", "baseline"]
    assert (row.input, row.flops_verdict) == ("512x512", "differs")
    assert row.conv_macs == pytest.approx(12.966e9, rel=1e-4)


def test_more_classes_than_cityscapes_would_print_other_parameters():
    row = counted("stated")["coco_stuff", "baseline"]
    assert (row.classes, row.params_verdict) == (171, "differs")
    assert f"{row.params / 1e6:.2f}" == "14.10"


@pytest.fixture
def shipped_counts(monkeypatch):
    """Let the command read the shipped counts, which another test holds against counting."""
    monkeypatch.setattr(
        "greenbench.cli.counts.recount", lambda basis, counter: iter(counted(basis).values())
    )


@pytest.mark.usefixtures("shipped_counts")
def test_the_command_prints_rows_as_json(capsys):
    assert main(["counts", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows == [asdict(row) for row in counted().values()]
    assert {
        "dataset", "technique", "input", "params", "conv_macs", "full_macs",
        "printed_params", "printed_flops", "params_verdict", "flops_verdict",
    } <= set(rows[0])  # fmt: skip


@pytest.mark.usefixtures("shipped_counts")
def test_the_command_prints_a_table_that_adds_up(capsys):
    assert main(["counts"]) == 0
    out = capsys.readouterr().out
    assert "57 of 60 printed figures are reproduced to their last digit (5 by truncation)" in out
    assert len([line for line in out.splitlines() if line.startswith("cityscapes")]) == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--inputs", "guessed"], "inputs 'guessed' are unknown"),
        (["--counter", "abacus"], "counter 'abacus'"),
    ],
)
def test_bad_settings_of_the_command_are_refused(arguments, message, capsys):
    assert main(["counts", *arguments]) == 2
    assert message in capsys.readouterr().err
