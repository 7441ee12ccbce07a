"""What a workload's function returned: data, classes, sizes, network, score; and what is refused."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, Subset, TensorDataset, random_split

import greenbench
from greenbench.data import opened as opened_module
from greenbench.data.augmentation import Augmentation
from greenbench.data.labels import LabelData
from greenbench.data.normalization import Normalization
from greenbench.data.streamed import StreamedData
from greenbench.errors import UserError
from greenbench.spec.workload import Metric

CPU = torch.device("cpu")
ERROR = Metric("error", "Error", unit="", better="lower")


def pixels(count, channels=3, size=(8, 6)):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (count, channels, *size), dtype=torch.uint8, generator=generator)


def tensors(count=6, **shape):
    return TensorDataset(pixels(count, **shape), torch.arange(count) % 3)


def network(classes=3, inputs=144):
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, classes))


def made(*returned, **arguments):
    def own():
        return returned if len(returned) != 1 else returned[0]

    return greenbench.workload(**{"metric": "accuracy", "epochs": 1, "batch_size": 4, **arguments})(own)


class Pairs(list):
    """A data set of pairs, with the classes and labels that it is given."""

    def __init__(self, pairs, **facts):
        super().__init__(pairs)
        vars(self).update(facts)


def labeled(*labels, **facts):
    return Pairs([(np.zeros((8, 6, 3), np.uint8), label) for label in labels], **facts)


def test_bytes_with_labels_in_memory_stay_there():
    data = made(tensors(), tensors(3), network).data(None, CPU)
    assert isinstance(data, LabelData)
    assert (data.size("train"), data.size("validation")) == (6, 3)
    split = random_split(tensors(), [4, 2])
    data = made(*split, network).data(None, CPU)
    assert isinstance(data, LabelData)
    ((images, labels),) = data.evaluation_batches("validation")
    chosen = list(split[1].indices)
    assert torch.equal(images, tensors().tensors[0][chosen])
    assert labels.tolist() == [index % 3 for index in chosen]


@pytest.mark.parametrize(
    "data_set",
    [
        TensorDataset(torch.rand(6, 3, 8, 6), torch.arange(6) % 3),
        TensorDataset(pixels(6), torch.zeros(6, 8, 6, dtype=torch.uint8)),
        TensorDataset(pixels(6), torch.rand(6)),
        labeled(0, 1, 2),
    ],
)
def test_all_else_is_streamed(data_set):
    workload = made(data_set, data_set, network, metric=ERROR, task="own", score=list, loss=nn.MSELoss)
    assert isinstance(workload.data(None, CPU), StreamedData)


def test_augmentation_and_normalization_are_the_stated_ones_and_else_those_of_the_data():
    stated = Augmentation(padding=2)
    normalization = Normalization((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    own = labeled(0, 1, 2, augmentation=Augmentation(flip=True))
    for data_set, arguments, expected in (
        (own, {}, Augmentation(flip=True)),
        (own, {"augmentation": stated}, stated),
        (labeled(0, 1), {}, None),
        (tensors(), {"augmentation": stated}, stated),
        (tensors(), {}, Augmentation()),
    ):
        data = made(data_set, data_set, network, normalization=normalization, **arguments).data(None, CPU)
        assert data._augmentation == expected
        assert torch.allclose(data.normalize(pixels(1)), pixels(1) / 127.5 - 1, atol=1e-6)
    imagenet = made(own, own, network).data(None, CPU).normalize(pixels(1))
    mean, std = (
        torch.tensor(values).view(3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    assert torch.allclose(imagenet, (pixels(1) / 255 - mean) / std, atol=1e-5)


@pytest.mark.parametrize(
    ("data_set", "stated", "found"),
    [
        (labeled(0, 1, classes=["a", "b", "c"]), None, 3),
        (labeled(0, 1, targets=[0, 1]), None, 2),
        (labeled(0, torch.tensor(3), np.int64(1)), None, 4),
        (labeled(0, 1), 5, 5),
        (tensors(), None, 3),
        (Subset(tensors(), [0, 1]), None, 2),
    ],
)
def test_the_number_of_classes_is_stated_or_found(data_set, stated, found):
    assert made(data_set, data_set, network, num_classes=stated).read().num_classes == found


def test_a_class_that_validation_alone_has_counts():
    assert made(labeled(0, 1), labeled(2), network).read().num_classes == 3


def test_a_task_without_classes_or_images_has_none():
    vectors = TensorDataset(torch.rand(4, 5), torch.rand(4))
    workload = made(vectors, vectors, network, metric=ERROR, task="own", score=list, loss=nn.MSELoss).read()
    assert (workload.num_classes, workload.image_size) == (None, None)


def test_the_image_size_is_stated_or_that_of_the_first_image():
    assert made(tensors(), tensors(), network).read().image_size == (8, 6)
    assert made(tensors(), tensors(), network, image_size=(4, 4)).read().image_size == (4, 4)


def test_a_version_tells_other_counts_and_other_pixels():
    changed = TensorDataset(pixels(6).add(1), torch.arange(6) % 3)
    sets = tensors(), tensors(7), changed
    first, *others = (made(one, tensors(), network).data(None, CPU).version for one in (tensors(), *sets))
    assert first.startswith("6+6 samples ")
    assert others[0] == first
    assert len(set(others)) == 3


def test_a_version_is_that_of_a_random_data_set_each_time():
    class Random(Pairs):
        def __getitem__(self, index):
            return torch.rand(3), index

    versions = {made(Random(range(3)), Random(range(3)), network).data(None, CPU).version for _ in range(2)}
    assert len(versions) == 1


def test_examples_are_random_numbers_of_the_data_s_shape():
    generator = torch.Generator().manual_seed(0)
    images = made(tensors(), tensors(), network).example(5, None, generator)
    assert images.shape == (5, 3, 8, 6)
    assert images.dtype == torch.float32
    assert images.std() == pytest.approx(1, abs=0.1)
    assert made(tensors(), tensors(), network).example(2, (4, 4), generator).shape == (2, 3, 4, 4)
    vectors = TensorDataset(torch.zeros(4, 50, dtype=torch.float64), torch.arange(4) % 2)
    example = made(vectors, vectors, network).example(3, None, generator)
    assert example.shape == (3, 50)
    assert example.std() > 0.5


def test_examples_of_all_else_are_real_samples_repeated():
    tokens = TensorDataset(torch.arange(6).view(2, 3), torch.arange(2))
    example = made(tokens, tokens, network).example(3, None, torch.Generator())
    assert example.tolist() == [[0, 1, 2], [3, 4, 5], [0, 1, 2]]

    def listed(pairs):
        images, labels = zip(*pairs, strict=True)
        return list(images), torch.tensor(labels)

    inputs = made(labeled(0, 1), labeled(0, 1), network, collate=listed).example(3, None, torch.Generator())
    assert [image.shape for image in inputs] == [(3, 8, 6)] * 3
    assert all(image.dtype == torch.float32 for image in inputs)


class Mean:
    """As torchmetrics' Metric: an object with a state on a device, which gives one tensor."""

    def __init__(self):
        self.values, self.device = [], None

    def to(self, device):
        self.device = device

    def update(self, outputs, targets):
        self.values += outputs.tolist()

    def compute(self):
        return torch.tensor(self.values).mean()


class Named(Mean):
    def compute(self):
        return {"error": super().compute(), "count": len(self.values), "by_class": torch.ones(3)}


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (Mean, {"error": 2.0}),
        (lambda: Mean(), {"error": 2.0}),
        (Mean(), {"error": 2.0}),
        (Named(), {"error": 2.0, "count": 2.0}),
    ],
)
def test_a_score_is_a_class_a_function_or_an_object_that_is_copied(score, expected):
    vectors = TensorDataset(torch.rand(4, 5), torch.rand(4))
    data = made(vectors, vectors, network, metric=ERROR, task="own", score=score, loss=nn.MSELoss).data(
        None, CPU
    )
    for _ in range(2):
        fresh = data.score()
        fresh.update(torch.tensor([1.0, 3.0]), None)
        assert fresh.compute() == expected
        assert fresh._score.device == CPU


class Unnamed(Mean):
    def compute(self):
        return {"loss": 1.0}


@pytest.mark.parametrize(
    ("score", "problem"),
    [(Unnamed, "the score Unnamed gives loss, and no 'error'"), (list, r"the score list has no update\(\)")],
)
def test_a_score_without_the_metric_is_refused(score, problem):
    vectors = TensorDataset(torch.rand(4, 5), torch.rand(4))
    data = made(vectors, vectors, network, metric=ERROR, task="own", score=score, loss=nn.MSELoss).data(
        None, CPU
    )
    with pytest.raises(UserError, match=problem):
        data.score().compute()


def test_masks_are_scored_by_their_classes_and_void():
    masks = TensorDataset(pixels(4), torch.zeros(4, 8, 6, dtype=torch.uint8))
    score = made(masks, masks, network, metric="miou", num_classes=2).data(None, CPU).score()
    logits = torch.zeros(1, 2, 1, 2)
    logits[:, 0] = 1
    score.update(logits, torch.tensor([[[0, 255]]]))
    assert score.compute()["miou"] == 1


class Stream(IterableDataset):
    def __iter__(self):
        yield 0, 0


class Uncounted:
    def __getitem__(self, index):
        return 0, 0


SET = tensors()


@pytest.mark.parametrize(
    ("returned", "problem", "cure"),
    [
        ((None,), "'own' returned NoneType", "end its function with: return train, validation, network"),
        ((SET, SET, network, 1), "'own' returned 4 things", "return train, validation, network"),
        ((SET, SET), "'own' returned no network", "return train, validation, network"),
        ((SET, SET, network()), "returned Sequential that is built", "return a function that builds it"),
        ((SET, SET, "resnet18"), "returned str as its network", "return a function that builds it"),
        (
            (DataLoader(SET), SET, network),
            r"its train data \(DataLoader\) have not samples by index",
            "map-style",
        ),
        ((SET, Uncounted(), network), r"its validation data \(Uncounted\) have not a length", "map-style"),
        ((Pairs([]), SET, network), r"its train data \(Pairs\) are empty", "look at where"),
        (
            (labeled(0, 1, classes=["a", "b"]), labeled(0, classes=["a", "c"]), network),
            "the classes of training and validation differ, as b is in one of them alone",
            "the same classes",
        ),
    ],
)
def test_what_is_no_pair_of_data_sets_and_a_network_is_refused(returned, problem, cure):
    with pytest.raises(UserError, match=problem) as error:
        made(*returned).data(None, CPU)
    assert cure in error.value.next_step


def test_a_stream_is_refused():
    with pytest.raises(UserError, match=r"\(Stream\) have not a length; return map-style data sets"):
        made(Stream(), SET, network).data(None, CPU)


def test_two_networks_are_refused():
    with pytest.raises(UserError, match=r"returned a network beside network=; .*return train, validation$"):
        made(SET, SET, network, network=network).data(None, CPU)


@pytest.mark.parametrize(
    ("returned", "arguments", "problem"),
    [
        (
            (labeled(0, 5, targets=[0, 5]), SET),
            {"num_classes": 3},
            "sample 1 of the train data has the label 5, and",
        ),
        ((SET, labeled(-1, targets=[-1])), {}, "sample 0 of the validation data has the label -1"),
        (
            (labeled(0.5, 1), SET),
            {},
            "accuracy needs a whole number as the label of each sample, and there is 0.5",
        ),
        ((SET, SET), {"metric": "miou"}, "do not say how many classes there are; state num_classes="),
        (
            (SET, SET),
            {"metric": "miou", "num_classes": 3, "ignore_index": 2},
            "ignore_index is 2, the label of one",
        ),
    ],
)
def test_labels_that_do_not_fit_are_refused(returned, arguments, problem):
    with pytest.raises(UserError, match=problem):
        made(*returned, network, **arguments).read()


def test_labels_that_take_long_to_read_are_asked_for(monkeypatch):
    monkeypatch.setattr(opened_module, "LABELS_WITHIN_S", 0)
    with pytest.raises(UserError, match="do not say how many classes there are; state num_classes="):
        made(labeled(0, 1), labeled(0, 1), network).read()


def test_images_of_other_channels_than_the_normalization_are_refused():
    gray = tensors(channels=1)
    with pytest.raises(
        UserError, match="its images have 1 channels, and the normalization 3; give normalization="
    ):
        made(gray, gray, network).data(None, CPU)
    data = made(gray, gray, network, normalization=Normalization((0.5,), (0.5,))).data(None, CPU)
    assert data.normalize(pixels(2, channels=1)).shape == (2, 1, 8, 6)


def test_an_augmentation_is_for_images_with_labels():
    tokens = TensorDataset(torch.arange(6).view(2, 3), torch.arange(2))
    with pytest.raises(UserError, match="augmentation= is for images"):
        made(tokens, tokens, network, augmentation=Augmentation(flip=True)).data(None, CPU)
    masks = TensorDataset(pixels(4), torch.zeros(4, 8, 6, dtype=torch.uint8))
    with pytest.raises(UserError, match="would move the images and not their targets"):
        made(masks, masks, network, metric="miou", augmentation=Augmentation(flip=True)).data(None, CPU)


def test_a_factory_of_something_else_is_refused():
    with pytest.raises(UserError, match=r"its network's factory gives int, not a torch.nn.Module"):
        made(SET, SET, lambda: 3).recipe("smoke").network()


def test_a_network_with_fewer_outputs_than_classes_is_refused_and_one_with_more_is_not():
    with pytest.raises(
        UserError, match="its network has 2 outputs, and there are 3 classes; build it with as many"
    ):
        made(SET, SET, lambda: network(2)).recipe("smoke").network()
    assert made(SET, SET, lambda: network(1000)).recipe("smoke").network().training


def test_looking_at_the_outputs_draws_nothing():
    workload = made(SET, SET, lambda: nn.Sequential(nn.Flatten(), nn.Linear(144, 3), nn.Dropout()))
    states = []
    for build in (workload.recipe("smoke").network, lambda: nn.Sequential(nn.Flatten(), nn.Linear(144, 3))):
        torch.manual_seed(0)
        build()
        states.append(torch.get_rng_state())
    assert torch.equal(*states)
