"""A subset: drawn by a seed from names and labels, balanced, named, and refused where there is too little."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import TensorDataset

import greenbench
from bench_tests.harness.workloads.small_sets import WORKLOADS, write_image, write_mask
from greenbench.data import images
from greenbench.data.augmentation import Augmentation
from greenbench.data.images import LabelFiles, MaskFiles, ResidentImages
from greenbench.data.labels import LabelData
from greenbench.data.masks import MaskData
from greenbench.data.normalization import Normalization
from greenbench.data.subset import draw
from greenbench.data.views import View, whole_view
from greenbench.errors import UserError
from greenbench.spec.workload import Setting, Subset

CPU = torch.device("cpu")
SETTING = Setting(epochs=1, batch_size=2, learning_rate=0.1)


def setting(train, validation, seed=0, **changes):
    return replace(SETTING, subset=Subset(train, validation, seed), **changes)


@st.composite
def labeled(draw_from):
    """Draw names, their labels, a count of them and another order."""
    labels = draw_from(st.lists(st.integers(0, 4), min_size=1, max_size=60))
    names = [f"image-{number}" for number in range(len(labels))]
    order = draw_from(st.permutations(range(len(labels))))
    return names, labels, draw_from(st.integers(1, len(labels))), order


@given(labeled(), st.integers(0, 2**32))
def test_the_images_follow_from_names_and_seed_and_not_from_their_order(drawn, seed):
    names, labels, count, order = drawn
    chosen = draw(names, labels, count, seed)
    assert chosen == draw(names, labels, count, seed) == sorted(set(chosen))
    elsewhere = draw([names[index] for index in order], [labels[index] for index in order], count, seed)
    assert {names[order[index]] for index in elsewhere} == {names[index] for index in chosen}


@given(labeled(), st.integers(0, 9))
def test_classes_are_balanced_as_far_as_they_have_images(drawn, seed):
    names, labels, count, _ = drawn
    have, taken = Counter(labels), Counter(labels[index] for index in draw(names, labels, count, seed))
    assert sum(taken.values()) == count
    # One image at a time: whoever has fewer than another, by more than one, has no more to give.
    assert all(taken[one] >= taken[other] - 1 or taken[one] == have[one] for one in have for other in have)


@given(labeled(), st.integers(0, 9))
def test_a_smaller_subset_lies_within_a_larger_one(drawn, seed):
    names, labels, count, _ = drawn
    assert set(draw(names, labels, count, seed)) <= set(draw(names, labels, min(count + 3, len(names)), seed))


def test_another_seed_draws_other_images():
    names = [str(number) for number in range(1000)]
    one, other = (set(draw(names, None, 100, seed)) for seed in (0, 1))
    assert len(one & other) < 30
    # Known once and for all: a record from another machine names the same images.
    assert draw(names, None, 5, 0) == [148, 505, 560, 574, 998]


def resident(count, classes=2):
    labels = torch.arange(count) % classes
    return ResidentImages(
        torch.arange(count, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 8, 8), labels
    )


def label_data(train=40, validation=20, **options):
    return LabelData(
        resident(train),
        resident(validation),
        augmentation=Augmentation(padding=4),
        normalization=Normalization(),
        version="1",
        device=CPU,
        **options,
    )


def test_data_are_the_subset_and_say_so():
    data = label_data().at(setting(10, 4, seed=3), {"train": 40, "validation": None})
    assert (data.size("train"), data.size("validation")) == (10, 4)
    assert str(data.drawn) == "10 of 40 training images and 4 of 20 validation images, drawn with seed 3"
    labels = torch.cat([targets for _, targets in data.evaluation_batches("validation")])
    assert labels.bincount().tolist() == [2, 2]
    seen = [batch for batch, _ in data.training_batches(5, 1.0, torch.Generator().manual_seed(0))]
    assert sum(map(len, seen)) == 10


def test_without_a_subset_all_is_there_and_nothing_is_said():
    for asked in (None, SETTING):
        data = label_data().at(asked, {"train": 40, "validation": 20})
        assert (data.size("train"), data.size("validation"), data.drawn) == (40, 20, None)


@pytest.mark.parametrize(
    ("asked", "split", "count", "whole"), [((41, 4), "training", 41, 40), ((4, 21), "validation", 21, 20)]
)
@pytest.mark.parametrize("known", [True, False])
def test_a_subset_that_is_larger_than_the_set_is_refused(asked, split, count, whole, known):
    official = {"train": 40, "validation": 20} if known else {}
    with pytest.raises(UserError) as error:
        label_data().at(setting(*asked), official)
    assert error.value.problem == f"the subset has {count} {split} images, and the data set {whole}"
    assert error.value.next_step == f"let the setting's subset have at most {whole}"


def test_of_a_set_that_is_not_whole_all_is_used_as_often_as_fills_the_subset():
    official = {"train": 5000, "validation": 1000}
    data = label_data(train=6, validation=3).at(setting(20, 10), official)
    assert (data.size("train"), data.size("validation")) == (20, 3)
    assert str(data.drawn) == (
        "6 of 6 training images (repeated to 20) and 3 of 3 validation images, drawn with seed 0"
    )
    shown = Counter(data._splits["train"].images[:, 0, 0, 0].tolist())
    assert set(shown) == set(range(6))
    assert set(shown.values()) == {3, 4}


def test_images_of_another_size_are_resized_with_the_padding_of_their_crops():
    data = label_data().at(replace(SETTING, image_size=(4, 4)), {})
    images, _ = next(data.evaluation_batches("validation"))
    assert images.shape == (20, 3, 4, 4)
    assert data._augmentation == Augmentation(padding=2)


def masks(count, height=24, width=32):
    generator = torch.Generator().manual_seed(count)
    pixels = torch.randint(0, 256, (count, 3, height, width), generator=generator, dtype=torch.uint8)
    return ResidentImages(pixels, torch.randint(0, 3, (count, height, width), generator=generator).byte())


def test_a_crop_of_another_size_scales_what_is_cropped_from_and_what_is_evaluated():
    whole = MaskData(
        masks(6),
        masks(4),
        crop=(16, 16),
        view=View(base_size=24),
        num_classes=3,
        normalization=Normalization(),
        version="1",
        device=CPU,
    )
    data = whole.at(setting(4, 2, image_size=(8, 8)), {})
    images, labels = next(data.training_batches(2, 1.0, torch.Generator().manual_seed(0)))
    assert (images.shape, labels.shape) == ((2, 3, 8, 8), (2, 8, 8))
    images, labels = next(data.evaluation_batches("validation"))
    assert (images.shape, labels.shape) == ((2, 3, 12, 16), (2, 12, 16))
    at_own_size, _ = next(whole.evaluation_batches("validation"))
    assert at_own_size.shape == (4, 3, 24, 32)


def test_a_whole_view_at_the_image_s_own_size_is_the_image():
    image, mask = masks(1)[0]
    same, labels = whole_view(image, mask, 24)
    assert torch.equal(same, image)
    assert torch.equal(labels, mask)


class Decoded(list):
    """Remembers which files are decoded."""

    def watch(self, monkeypatch, *modules):
        for module, name in modules:
            decode = getattr(module, name)
            monkeypatch.setattr(
                module, name, lambda file, *rest, decode=decode: self.append(file) or decode(file, *rest)
            )


def test_labeled_files_that_are_not_in_the_subset_are_not_decoded(tmp_path, monkeypatch):
    files = [tmp_path / f"{number}.png" for number in range(12)]
    for file in files:
        write_image(file, 8, 8)
    decoded = Decoded()
    decoded.watch(monkeypatch, (images, "decode_image"))
    split = LabelFiles([(file, number % 3) for number, file in enumerate(files)], (8, 8), "unpack it again")
    data = LabelData(
        split, split, augmentation=Augmentation(), normalization=Normalization(), version="1", device=CPU
    )
    assert decoded == []
    found = data.at(setting(6, 3), {"train": 12, "validation": 12})
    assert len(decoded) == 9
    assert found._splits["train"].targets.bincount().tolist() == [2, 2, 2]


def test_masks_that_are_not_in_the_subset_are_not_decoded(tmp_path, monkeypatch):
    for number in range(9):
        write_image(tmp_path / "CamVid" / "train" / f"{number}.png", 12, 16)
        write_mask(tmp_path / "CamVid" / "trainannot" / f"{number}.png", torch.full((12, 16), number).numpy())
        write_image(tmp_path / "CamVid" / "val" / f"{number}.png", 12, 16)
        write_mask(tmp_path / "CamVid" / "valannot" / f"{number}.png", torch.full((12, 16), number).numpy())
    decoded = Decoded()
    decoded.watch(monkeypatch, (images, "decode_image"), (images, "decode_mask"))
    data = WORKLOADS["camvid"].data(tmp_path, CPU, setting(4, 2, image_size=(8, 8)))
    for split in ("train", "validation"):
        for index in range(data.size(split)):
            data._splits[split][index]
    assert len({file.relative_to(tmp_path) for file in decoded}) == 2 * (4 + 2)


def test_mask_files_are_told_apart_by_name(tmp_path):
    pairs = [
        (tmp_path / city / f"{city}_{number}.PNG", tmp_path / "mask.png")
        for city in "ab"
        for number in range(2)
    ]
    assert MaskFiles(pairs).names == ["a_0", "a_1", "b_0", "b_1"]
    assert MaskFiles(pairs).chosen([2, 0]).pairs == [pairs[2], pairs[0]]


def own(train, validation, **at_scale):
    @greenbench.workload(
        metric="accuracy", settings={"smoke": setting(6, 4, **at_scale)}, num_classes=2, image_size=(8, 8)
    )
    def own_set():
        return train, validation, lambda: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))

    return own_set


def samples(count):
    return [(torch.full((3, 8, 8), float(number)), number % 2) for number in range(count)]


def test_own_data_have_subsets_too():
    tensors = TensorDataset(torch.zeros(20, 3, 8, 8, dtype=torch.uint8), torch.arange(20) % 2)
    for train, validation in ((samples(20), samples(10)), (tensors, tensors)):
        workload = own(train, validation)
        data = workload.data(None, CPU, workload.setting("smoke"))
        assert (data.size("train"), data.size("validation")) == (6, 4)
        assert str(data.drawn).startswith("6 of 20 training images")
        labels = torch.cat(
            [targets for _, targets in data.training_batches(3, 1.0, torch.Generator().manual_seed(0))]
        )
        assert len(labels) == 6


def test_own_samples_of_another_size_are_the_data_set_s_to_give():
    workload = own(samples(20), samples(10), image_size=(4, 4))
    with pytest.raises(UserError, match=r"image size \(4, 4\)"):
        workload.data(None, CPU, workload.setting("smoke"))


def test_own_batches_cannot_be_divided():
    class Batches:
        def training_batches(self):
            return []

    @greenbench.workload(metric="accuracy", epochs=1, batch_size=2, network=lambda *_: None, num_classes=2)
    def own_batches(device):
        return Batches()

    assert isinstance(own_batches.data(None, CPU), Batches)
    with pytest.raises(UserError, match="its own Batches cannot give"):
        own_batches.data(None, CPU, setting(2, 2))


@pytest.mark.parametrize(
    ("field", "value"), [("train", 0), ("validation", 0), ("train", 2.5), ("seed", -1), ("seed", None)]
)
def test_numbers_that_are_none_are_refused(field, value):
    with pytest.raises(UserError, match=f"{field} of a subset is {value}"):
        replace(Subset(1, 1), **{field: value})
