"""Every technique on the speedrun: it trains and is evaluated in the mode that it is meant for, or says why not."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from bench_tests.techniques import contract
from greenbench.errors import NotApplicable
from greenbench.nn.layers.blurpool import BlurPool2d
from greenbench.nn.layers.coordconv import CoordConv2d
from greenbench.nn.layers.gather_excite import GatherExciteTheta, GatherExciteThetaMinus
from greenbench.nn.layers.switchnorm import SwitchNorm2d
from greenbench.spec.mode import FAST, PAPER
from greenbench.study.catalog import discover

pytestmark = pytest.mark.usefixtures("_no_compiler")
CATALOG = discover()
SPEEDRUN = CATALOG.workloads["speedrun"]
APPLICABLE = [t for t in CATALOG.techniques.values() if t.applies_to(SPEEDRUN.task)]


def narrow():
    """Return its recipe with a narrow network and two epochs of two steps."""
    setting = replace(SPEEDRUN.setting("short"), network={"width": 0.125})
    recipe = replace(SPEEDRUN, settings={"short": setting}).recipe("short")
    return replace(recipe, epochs=2, batch_size=contract.BATCH)


def test_only_techniques_of_segmentation_do_not_apply():
    left_out = {name for name, t in CATALOG.techniques.items() if t not in APPLICABLE}
    assert {CATALOG.technique(name).tasks for name in left_out} == {("segmentation",)}


@pytest.mark.parametrize("technique", APPLICABLE, ids=lambda technique: technique.name)
def test_it_trains_and_is_evaluated(technique):
    mode = PAPER if technique.name == "autocast" else FAST
    try:
        run = contract.trainer(technique(narrow()), mode=mode)
    except NotApplicable as error:
        if "not installed" not in str(error):
            raise
        pytest.skip(str(error))
    losses = list(run.remaining_steps())
    assert torch.stack(losses).isfinite().all()
    assert run.evaluate("validation") is not None


@pytest.mark.parametrize(
    ("name", "kind", "layers"),
    [
        ("blurpool", BlurPool2d, 3),
        ("coordconv", CoordConv2d, 1),
        ("ge_theta", GatherExciteTheta, 3),
        ("ge_theta_minus", GatherExciteThetaMinus, 3),
        ("spatial_bottleneck", nn.ConvTranspose2d, 2),
        ("switchnorm", SwitchNorm2d, 8),
    ],
)
def test_layers_are_put_into_all_their_places(name, kind, layers):
    network = CATALOG.technique(name)(narrow()).network()
    assert sum(isinstance(module, kind) for module in network.modules()) == layers


def test_the_baselines_optimizer_has_nesterovs_momentum_and_the_rate_ends_at_zero():
    recipe = narrow()
    optimizer = recipe.optimizer(recipe.network(), recipe.learning_rate)
    schedule = recipe.schedule(optimizer, 10, recipe.epochs)
    assert optimizer.defaults["nesterov"]
    assert optimizer.defaults["momentum"] == 0.9
    rates = []
    for _ in range(10 * recipe.epochs):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert max(rates) == pytest.approx(recipe.learning_rate)
    assert rates[-1] < 0.02 * recipe.learning_rate
