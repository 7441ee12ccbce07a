"""The measurement of inference: what it runs, what it times, and on which images."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from greenbench.energy import Meter, Reading, Status
from greenbench.execute import inference
from greenbench.execute.inference import Passes, measure_inference

PLAN = Passes(
    passes=7,
    large_batch=4,
    large_batch_passes=3,
    min_seconds=0.0,
    repeats=2,
    warmup_s=0.0,
)
CPU = torch.device("cpu")


class TenJoules(Meter):
    """Reads 10 J for every window, and notes what went on in it."""

    name = "ten"

    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def _open(self, label, trace):
        self.seen.append("open")

    def _close(self, label, opened, seconds):
        self.seen.append("close")
        return (Reading(10.0, Status.MEASURED, "ten", 1.0),)


class Watched(nn.Module):
    """Passes images through and remembers them."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 2, 1, bias=False)
        self.seen = []

    def forward(self, x):
        if not x.is_meta:
            self.seen.append(x)
        return self.layer(x)


def random_images(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return lambda batch_size: torch.randn((batch_size, 3, 5, 6), generator=generator)


def run(plan=PLAN, seed=0, **options):
    network = Watched()
    network.seen = events = []
    result = measure_inference(network, random_images(seed), plan, TenJoules(events), device=CPU, **options)
    return result, events


def batches_of(result):
    return result.single, result.large


def images_of(events):
    return [event for event in events if isinstance(event, torch.Tensor)]


def test_passes_are_those_of_the_plan_for_both_batch_sizes():
    result, events = run()
    assert [(batch.batch_size, batch.passes) for batch in batches_of(result)] == [(1, 14), (4, 6)]
    assert [len(image) for image in images_of(events)] == [1] * 14 + [4] * 6


def test_energy_of_an_image_is_that_of_all_repeats_over_all_images():
    result, _ = run()
    energies = [batch.energy_per_image.energy_j for batch in batches_of(result)]
    assert energies == pytest.approx([20 / 14, 20 / (6 * 4)])


def test_every_repeat_has_its_window_and_its_median():
    result, events = run()
    assert events.count("open") == events.count("close") == 4
    assert all(len(batch.repeat_medians_ms) == 2 for batch in batches_of(result))
    for batch in batches_of(result):
        assert 0 < batch.latency_low_ms <= batch.latency_ms <= batch.latency_high_ms


def test_warm_up_lasts_for_its_time_and_stays_out_of_the_windows():
    _, events = run(replace(PLAN, warmup_s=0.05, repeats=1))
    first = events.index("open")
    assert first > 1  # passes before the first window
    window = events[first + 1 : events.index("close")]
    assert len(window) == PLAN.passes


def test_a_repeat_goes_on_until_its_energy_can_be_measured():
    class Timed(TenJoules):
        def _close(self, label, opened, seconds):
            lasted.append(seconds)
            return super()._close(label, opened, seconds)

    lasted = []
    plan = replace(PLAN, min_seconds=0.05, repeats=1)
    result = measure_inference(Watched(), random_images(), plan, Timed([]), device=CPU)
    assert len(lasted) == 2
    assert min(lasted) >= 0.05
    assert result.single.passes > PLAN.passes


def test_images_are_random_and_the_same_for_the_same_seed():
    images = [images_of(run(seed=seed)[1])[0] for seed in (0, 0, 1)]
    assert torch.equal(images[0], images[1])
    assert not torch.equal(images[0], images[2])
    assert images[0].shape == (1, 3, 5, 6)
    assert images[0].std() > 0.5


def test_the_device_has_finished_before_the_clock_is_read(monkeypatch):
    network_done, waits = [], []
    monkeypatch.setattr(inference, "synchronize", lambda device: waits.append(len(network_done)))
    network = Watched()
    network.register_forward_hook(lambda *_: network_done.append(1))
    plan = replace(PLAN, passes=3, large_batch_passes=1, repeats=1)
    measure_inference(network, random_images(), plan, TenJoules([]), device=CPU)
    assert waits == [2, 3, 4, 5]  # after each pass; the first one counted, on the meta device


def test_the_network_is_measured_in_evaluation_mode_without_gradients():
    network, outputs = Watched().train(), []
    network.register_forward_hook(lambda _module, _args, output: outputs.append(output))
    measure_inference(network, random_images(), PLAN, TenJoules([]), device=CPU)
    assert not network.training
    assert outputs
    assert not any(output.requires_grad for output in outputs)


def test_parameters_and_operations_are_those_of_one_image():
    result, _ = run()
    assert result.input_size == (5, 6)
    assert result.params == 3 * 2
    assert result.conv_macs == result.full_macs == 5 * 6 * 3 * 2


def test_progress_counts_repeats_of_all_batch_sizes():
    seen = []
    run(progress=seen.append)
    assert [(p.done, p.steps) for p in seen] == [(1, 4), (2, 4), (3, 4), (4, 4)]
