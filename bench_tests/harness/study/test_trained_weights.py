"""Inference of the network that was trained: the training comes first, leaves its weights, and is judged alike."""

from dataclasses import replace

import pytest
import torch

from bench_tests.harness.execute.small_run import TINY
from bench_tests.harness.study.small_session import BASELINE, CATALOG, made, pair_of
from greenbench.execute import run as run_module
from greenbench.records.results import Failure, Inference
from greenbench.spec.scale import find_scale

TRAINED = replace(TINY, inference=replace(TINY.inference, weights="trained"))


def zero_small(network):
    """Set the smaller half of the last layer's weights to zero."""
    with torch.no_grad():
        weight = network[-1].weight
        weight[weight.abs() < weight.abs().median()] = 0
    return network


PRUNED = made("pruned", lambda recipe: replace(recipe, finish=zero_small))
PRUNING = replace(CATALOG, techniques={t.name: t for t in (BASELINE, PRUNED)})


@pytest.fixture
def measured(monkeypatch):
    """Return the networks that inference was measured on."""
    from greenbench.execute import inference

    found = []
    measure = inference.measure_inference

    def noting(network, *arguments, **options):
        found.append(network)
        return measure(network, *arguments, **options)

    monkeypatch.setattr(inference, "measure_inference", noting)
    return found


def test_inference_trains_first_and_measures_the_finished_network(study, ran, measured):
    session = study(PRUNING, scale=TRAINED)
    (record,) = session.records(pair_of(session, "pruned", "inference"))
    assert isinstance(record.result, Inference)
    assert ran == [("pruned", "training", 0), ("pruned", "inference", 0)]
    (training,) = session.records(pair_of(session, "pruned"))
    assert training.result.status == "finished"
    (file,) = (session.settings.out / "weights").iterdir()
    assert file.name == f"{training.key}.pt"
    trained = torch.load(file)
    assert trained["5.weight"].count_nonzero() == trained["5.weight"].numel(), (
        "the trained weights, not pruned"
    )
    pruned = measured[0][-1].weight
    assert torch.equal(pruned[pruned != 0], trained["5.weight"][pruned != 0])
    assert 0 < pruned.count_nonzero() < pruned.numel()
    assert record.case.setting["weights"] == "trained"


def test_networks_are_measured_as_they_are_built_unless_it_is_asked_for(study, ran, measured):
    session = study(PRUNING)
    session.records(pair_of(session, "pruned", "inference"))
    assert ran == [("pruned", "inference", 0)]
    assert not (session.settings.out / "weights").exists()
    assert measured[0][-1].weight.count_nonzero() < measured[0][-1].weight.numel(), "pruned all the same"


def test_on_resume_a_training_without_its_weights_is_run_again(study, ran):
    first = study(PRUNING)
    first.records(pair_of(first, "pruned"))
    again = study(PRUNING, scale=TRAINED, resume=True)
    again.records(pair_of(again, "pruned", "inference"))
    assert ran == [("pruned", "training", 0), ("pruned", "training", 0), ("pruned", "inference", 0)]
    third = study(PRUNING, scale=TRAINED, resume=True)
    third.records(pair_of(third, "pruned", "inference"))
    third.records(pair_of(third, "pruned"))
    assert len(ran) == 3


def test_without_its_training_inference_fails_in_a_sentence(study):
    def fails(network):
        raise RuntimeError("no training today")

    broken = made("broken", lambda recipe: replace(recipe, finish=fails))
    catalog = replace(CATALOG, techniques={t.name: t for t in (BASELINE, broken)})
    session = study(catalog, scale=TRAINED)
    (record,) = session.records(pair_of(session, "broken", "inference"))
    assert isinstance(record.result, Failure)
    assert "are missing: their training was skipped or failed" in record.result.error
    assert record.result.next_step.startswith("look at the training's record")


def test_weights_that_cannot_be_written_cost_the_inference_and_not_the_training(study, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "weights").write_text("a file")
    session = study(PRUNING, scale=TRAINED)
    (training,) = session.records(pair_of(session, "pruned"))
    assert training.result.status == "finished"
    (record,) = session.records(pair_of(session, "pruned", "inference"))
    assert isinstance(record.result, Failure)
    assert "could not be written" in record.result.error
    assert "room in the folder" in record.result.next_step


def test_the_option_is_known_to_the_scale():
    assert find_scale("smoke", None, None, "trained").inference.weights == "trained"
    with pytest.raises(ValueError, match="weights 'pruned' is unknown; choose one of initial, trained"):
        find_scale("smoke", None, None, "pruned")
    assert run_module.Bench().weights is None
