"""Records of the study's full-size networks, as if measured on one GPU, in which everything holds."""

from dataclasses import replace

from bench_tests.harness.made_records import inference_result, record_of, training_result
from greenbench.energy import Reading, Status
from greenbench.records.results import Epoch
from greenbench.spec.workload import ACCURACY

GPU = "NVIDIA H200"
NETWORKS = {
    "cifar100": {"num_classes": 100, "image_size": (32, 32), "params": 23_705_252, "macs": 1_297_809_408},
    "tiny_imagenet": {
        "num_classes": 200,
        "image_size": (64, 64),
        "params": 23_910_152,
        "macs": 5_191_237_632,
    },
}
SHARES = {"random_gradient": 1.0, "cyclic_lr": 1.0, "poly_half_epochs": 0.5}
EPOCHS = 200
IMAGES = 50_000


def reading(energy_j, seconds, status=Status.MEASURED, **changes):
    return Reading(energy_j, status, "nvml-counter", seconds, **{"device": GPU, **changes})


def inference_record(workload="cifar100", technique="baseline", power_w=300.0, macs=None, **facts):
    network = NETWORKS[workload]
    counted = macs or network["macs"]
    result = inference_result(2.0, network["params"])
    single, large = (
        replace(batch, energy_per_image=reading(power_w * 0.002, 0.002))
        for batch in (result.single, result.large)
    )
    result = replace(
        result,
        input_size=network["image_size"],
        conv_macs=counted,
        full_macs=counted,
        single=single,
        large=large,
    )
    return record_of(technique, result, **_facts(workload, technique, facts))


def training_record(technique="baseline", energy_j=2e6, score=0.78, status=Status.MEASURED, **facts):
    seconds = energy_j / 400
    each = seconds / EPOCHS
    epoch = Epoch(1, (32, 32), 0.1, 0.5, each, reading(energy_j / EPOCHS, each))
    curve = tuple(replace(epoch, epoch=number) for number in range(1, EPOCHS + 1))
    curve = (*curve[:-1], replace(curve[-1], validation={"accuracy": score}))
    result = training_result(
        score,
        seconds=seconds,
        steps=EPOCHS * 391,
        energy=reading(energy_j, seconds, status),
        curve=curve,
        best_epoch=EPOCHS,
    )
    record = record_of(technique, result, **_facts("cifar100", technique, facts))
    return replace(record, workload=replace(record.workload, train_images=IMAGES))


def clean_records():
    return [
        inference_record(),
        inference_record("tiny_imagenet"),
        training_record(),
        training_record("random_gradient", 2.01e6),
    ]


def _facts(workload, technique, facts):
    network = NETWORKS[workload]
    return {
        "workload": workload,
        "num_classes": network["num_classes"],
        "image_size": network["image_size"],
        "setting": {"network": {}},
        "scale": "paper",
        "metric": replace(ACCURACY, per_image=False),
        "best_known": {"accuracy": 0.799},
        "work_share": SHARES.get(technique),
        **facts,
    }
