"""Reads the first format of records: turns the content of a file into that of schema 2."""

from __future__ import annotations

import hashlib
import json
from typing import Any

KEY_LENGTH = 12
METRICS: dict[str, dict[str, Any]] = {
    "accuracy": {"name": "accuracy", "title": "Accuracy", "per_image": True},
    "miou": {"name": "miou", "title": "mIoU"},
}
"""The two metrics that schema 1 knew, by its names."""

SIZE = ("width", "blocks_per_stage", "norm_momentum")
"""What set the size of a network; at width 1 it was the study's own."""

CLASSES = {"digits": 10, "digits20": 20, "scenes4": 4, "scenes6": 6}
CLASSES |= {"cifar100": 100, "tiny_imagenet": 200, "cityscapes": 19, "coco_stuff": 171}
"""Schema 1 did not keep the number of classes."""


class Edited(Exception):
    """The file is not as schema 1 wrote it."""


def upgrade(old: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a file of schema 1 in the form of schema 2.

    What schema 1 did not keep stays open: the digest of the engine and of the workload's file, and the energy of
    single epochs.

    Raises
    ------
    Edited
        If the key is not that of the case.
    """
    case, protocol = old["case"], old["case"]["protocol"]
    text = json.dumps(case, sort_keys=True)
    if old["key"] != hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]:
        raise Edited(f"its key {old['key']} is not that of its case")
    result, readings = _training(old) if old["training"] is not None else _inference(old)
    technique, data = old["technique"], old["data"]
    return {
        "schema": 2,
        "key": old["key"],
        "case": {
            "kind": case["kind"],
            "workload": case["dataset"],
            "workload_digest": "",
            "scale": protocol["name"],
            "setting": _setting(case["dataset"], protocol),
            "technique": case["technique"],
            "technique_digest": case["technique_sha256"],
            "mode": protocol["mode"],
            "seed": case["seed"],
        },
        "machine": old["machine"],
        "engine": None,
        "meter": readings[0]["method"],
        "session": old["session"],
        "commit": old["suite_commit"],
        "started_at": old["started_at"],
        "seconds": old["seconds"],
        "technique": technique,
        "workload": {
            "title": data["title"],
            "task": data["task"],
            "metric": METRICS["accuracy" if data["task"] == "classification" else "miou"],
            "num_classes": CLASSES.get(case["dataset"], 1),
            "image_size": _size(old),
            "train_images": data["train_images"],
            "validation_images": data["heldout_images"],
            "version": data["version"],
            "weights": data.get("backbone"),
        },
        "result": result,
    }


def _setting(workload: str, protocol: dict[str, Any]) -> dict[str, Any]:
    """Return the protocol with what it says of this workload alone."""
    of_inference = protocol["inference"]
    return {
        **{name: value for name, value in protocol.items() if name not in ("datasets", "inference", *SIZE)},
        "network": {} if protocol["width"] == 1 else {name: protocol[name] for name in SIZE},
        "epochs": protocol["epochs"].get(workload),
        "evaluate_every": protocol["evaluate_every"].get(workload),
        **of_inference,
        "large_batch": of_inference["large_batch"].get(workload),
    }


def _training(old: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    training = dict(old["training"])
    training.pop("metric")
    training["validation"] = training.pop("heldout")
    training["best"] = training.pop("best_heldout")
    training["curve"] = [_epoch(epoch) for epoch in training["curve"]]
    return {"type": "training", **training}, [training["energy"]]


def _epoch(epoch: dict[str, Any]) -> dict[str, Any]:
    old = dict(epoch)
    validation = old.pop("heldout")
    energy = {
        "energy_j": None,
        "status": "not-measured",
        "method": "none",
        "seconds": old["seconds"],
        "reason": "records of schema 1 do not hold the energy of single epochs",
    }
    return {**old, "validation": validation, "energy": energy}


def _inference(old: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    inference = dict(old["inference"])
    single, large = inference.pop("batches")
    result = {"type": "inference", **inference, "single": single, "large": large}
    return result, [single["energy_per_image"]]


def _size(old: dict[str, Any]) -> list[int]:
    if old["inference"] is not None:
        return list(old["inference"]["input_size"])
    return list(old["training"]["curve"][-1]["image_size"])
