"""The file of trained weights: whole or not there, and no fault of the disk costs the training."""

import pytest
import torch

from greenbench.errors import UserError
from greenbench.execute.weights import read_weights, save_weights

WEIGHTS = {"weight": torch.arange(6.0).view(2, 3), "steps": torch.tensor(3)}


def test_what_is_read_is_what_was_saved(tmp_path):
    file = tmp_path / "weights" / "a.pt"
    save_weights(file, WEIGHTS)
    found = read_weights(file)
    assert all(found[name].equal(value) for name, value in WEIGHTS.items())
    assert [path.name for path in file.parent.iterdir()] == ["a.pt"]


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), RuntimeError("PytorchStreamWriter failed")]
)
def test_a_full_disk_leaves_the_old_file_and_nothing_of_the_new(tmp_path, monkeypatch, error):
    file = tmp_path / "a.pt"
    save_weights(file, WEIGHTS)
    before = file.read_bytes()

    def full(_weights, opened):
        opened.write(b"half")
        raise error

    monkeypatch.setattr(torch, "save", full)
    save_weights(file, {"weight": torch.zeros(1)})
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


def test_a_folder_that_cannot_be_costs_the_weights_alone(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    save_weights(tmp_path / "file" / "a.pt", WEIGHTS)
    with pytest.raises(UserError, match=r"weights .*a\.pt are missing"):
        read_weights(tmp_path / "file" / "a.pt")
