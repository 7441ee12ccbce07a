"""A long study that cannot be evaluated ends in a sentence before anything is trained."""

import pytest

OWN = """
from dataclasses import replace
import torch
import greenbench
from greenbench.spec.workload import Setting

torch.manual_seed(0)
SAMPLES = [(torch.rand(3, 8, 8), number % 2) for number in range(8)]


def network():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))


@greenbench.workload(
    metric="accuracy", settings={"short": Setting(1, 4, 0.1)}, network=lambda *_: network(), num_classes=2,
    image_size=(8, 8),
)
def noise():
    return SAMPLES[:4], SAMPLES[4:]


class OnlyTrains(torch.nn.Sequential):
    def forward(self, x):
        assert self.training, "made for training"
        return super().forward(x)


@greenbench.technique("Architecture Modification", "own")
def only_trains(recipe):
    "A network without evaluation."
    return replace(recipe, network=lambda: OnlyTrains(recipe.network()))
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_what_cannot_be_evaluated_is_refused_with_exit_code_4(run_study, pytester, workers):
    pytester.makefile(".py", own=OWN)
    result = run_study("--green-file=own.py", "--green-scale=short", "-k", "training", *workers)
    text = result.stdout.str() + result.stderr.str()
    assert result.ret == pytest.ExitCode.USAGE_ERROR, text
    said = [
        line for line in text.splitlines() if "only_trains-noise: its dry run fails, stage evaluation" in line
    ]
    assert len(said) == 1, text
    assert "made for training" in said[0]
    assert said[0].endswith("or leave only_trains-noise out")
    assert "Traceback" not in text
    assert not (pytester.path / "out").exists()
