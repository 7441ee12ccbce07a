"""The decorator: what it makes of a function and its arguments, when the function is called, and what it refuses."""

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import greenbench
from greenbench.errors import UserError
from greenbench.spec.scale import SCALES
from greenbench.spec.workload import ACCURACY, MIOU, Metric, Setting

CPU = torch.device("cpu")
ERROR = Metric("error", "Error", unit="", better="lower")
SHORT = {"epochs": 2, "batch_size": 4}
LABELED = TensorDataset(torch.zeros(6, 3, 8, 8, dtype=torch.uint8), torch.arange(6) % 3)


def network():
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 3))


def labeled():
    """Return three classes."""
    return LABELED, LABELED, network


def made(function=labeled, **arguments):
    return greenbench.workload(**{"metric": "accuracy", **SHORT, **arguments})(function)


def test_name_title_and_card_come_from_the_function():
    workload = made()
    assert (workload.name, workload.title, workload.card) == ("labeled", "Labeled", "Return three classes.")
    other = made(name="own_set", title="Own")
    assert (other.name, other.title) == ("own_set", "Own")


def test_without_settings_it_runs_alike_at_every_scale():
    settings = made().settings
    assert settings == dict.fromkeys(SCALES, Setting(epochs=2, batch_size=4, learning_rate=0.05))
    assert made(learning_rate=0.3).settings["paper"].learning_rate == 0.3
    own = {"short": Setting(epochs=9, batch_size=8, learning_rate=0.1)}
    assert greenbench.workload(metric="accuracy", settings=own)(labeled).settings == own


def test_the_metric_decides_task_loss_and_void():
    labels, masks = made(), made(metric="miou", num_classes=3)
    assert (labels.metric, labels.task, labels.ignore_index) == (ACCURACY, "classification", None)
    assert (masks.metric, masks.task, masks.ignore_index) == (MIOU, "segmentation", 255)
    assert made(task="ranking").task == "ranking"
    logits = torch.zeros(1, 3, 1, 2)
    assert masks.loss()(logits, torch.tensor([[[1, 255]]])) == pytest.approx(torch.tensor(3.0).log())


def test_what_is_stated_is_in_the_recipe():
    def optimizer(network, rate):
        return torch.optim.AdamW(network.parameters(), rate)

    def schedule(optimizer, steps, epochs):
        return None

    workload = made(optimizer=optimizer, learning_rate=0.01, schedule=schedule, loss=nn.NLLLoss)
    recipe = workload.recipe("smoke")
    assert (recipe.optimizer, recipe.schedule, recipe.loss) == (optimizer, schedule, nn.NLLLoss)
    assert (recipe.epochs, recipe.batch_size, recipe.learning_rate) == (2, 4, 0.01)
    facts = made(tolerances={"score": 0.01}, best_known={"accuracy": 0.9}, train_images=6, fitted_size=(4, 4))
    assert (facts.tolerances, facts.best_known) == ({"score": 0.01}, {"accuracy": 0.9})
    assert (facts.train_images, facts.fitted_size) == (6, (4, 4))


def test_the_function_is_called_once_for_each_root_and_not_before_it_is_needed(tmp_path):
    roots = []

    def watched(root):
        roots.append(root)
        return labeled()

    workload = made(watched)
    recipe = workload.recipe("smoke", tmp_path)
    assert (recipe.num_classes, recipe.image_size) == (None, None)
    assert workload.missing(tmp_path) is None
    assert not roots
    for _ in range(2):
        workload.data(tmp_path, CPU)
        recipe.network()
        workload.example(2, None, torch.Generator(), tmp_path)
        assert (workload.read(tmp_path).num_classes, workload.read(tmp_path).image_size) == (3, (8, 8))
    assert roots == [tmp_path]
    workload.data(tmp_path / "other", CPU)
    assert len(roots) == 2


def test_a_root_is_asked_for_by_those_who_take_it_alone():
    def rooted(root):
        return labeled()

    assert made().missing(None) is None
    assert made(rooted).missing(None) == ("rooted: no data root was given (--green-data or GREENBENCH_DATA).")
    with pytest.raises(UserError, match="workload 'rooted' needs a data root; give --green-data"):
        made(rooted).read(None)


def test_a_folder_that_is_stated_has_to_be_there(tmp_path):
    workload = made(folder="labeled-set", how_to_get="Get it.")
    assert workload.missing(None).endswith("Get it.")
    assert (
        workload.missing(tmp_path)
        == f"labeled: looked for {tmp_path / 'labeled-set'}, which is not there. Get it."
    )


def test_a_function_may_have_arguments_of_a_loop():
    def looped(count=2):
        return labeled()

    assert made(looped).read().num_classes == 3


class Batches:
    """Batches of one's own (see `greenbench.spec.workload.Data`)."""

    def __init__(self, device):
        self.device = device

    def evaluation_batches(self, split):
        yield {"ids": torch.arange(6).view(2, 3), "lengths": [3, 2]}, None

    def training_batches(self, batch_size, size_factor, generator):
        yield from ()

    def normalize(self, inputs):
        return inputs


def test_a_function_of_the_device_makes_its_own_batches():
    def own(device):
        return Batches(device)

    workload = made(own, network=network)
    assert workload.data(None, CPU).device == CPU
    assert isinstance(workload.recipe("smoke").network(), nn.Sequential)
    assert workload.read() is workload
    inputs = workload.example(3, None, torch.Generator())
    assert inputs["ids"].tolist() == [[0, 1, 2], [3, 4, 5], [0, 1, 2]]
    with pytest.raises(
        UserError, match=r"'own' makes its own batches .* and states no network; give network="
    ):
        made(own)
    with pytest.raises(UserError, match="'own' returned tuple; its function takes device"):
        made(lambda device: (1, 2), name="own", network=network).data(None, CPU)


def test_a_stated_network_may_take_classes_setting_and_root(tmp_path):
    seen = []

    def build(num_classes, setting, root):
        seen.append((num_classes, setting.batch_size, root))
        return network()

    made(lambda root: (LABELED, LABELED), name="own", network=build).recipe("smoke", tmp_path).network()
    assert seen == [(3, 4, tmp_path)]


def test_what_is_stated_in_full_needs_no_data_but_for_training():
    def absent():
        raise FileNotFoundError("flowers.zip")

    workload = made(absent, network=network, num_classes=3, image_size=(8, 8))
    assert workload.read() is workload
    assert isinstance(workload.recipe("smoke").network(), nn.Sequential)
    assert workload.example(2, (4, 4), torch.Generator()).shape == (2, 3, 4, 4)


def failing(root):
    raise FileNotFoundError("flowers.zip")


def leaving():
    sys.exit("no GPU")


def test_what_the_function_raises_is_a_sentence_with_its_line(tmp_path):
    with pytest.raises(
        UserError, match=r"'failing' fails \(.*, line \d+\): FileNotFoundError: flowers.zip"
    ) as error:
        made(failing).data(tmp_path, CPU)
    line = failing.__code__.co_firstlineno + 1
    assert f"test_decorator.py, line {line})" in error.value.problem
    assert error.value.next_step == "mend it"
    with pytest.raises(UserError, match=r"Get them from example.org"):
        made(failing, how_to_get="Get them from example.org.").read(tmp_path)
    with pytest.raises(UserError, match="SystemExit: no GPU"):
        made(leaving).read()


def test_a_sentence_of_its_own_stays():
    def own():
        raise UserError("there are no flowers", "water them")

    with pytest.raises(UserError, match=r"^there are no flowers; water them$"):
        made(own).read()


OWN = {"task": "pricing", "score": list, "loss": nn.MSELoss}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"metric": "f1"}, "the metric 'f1' is unknown; choose one of accuracy, miou"),
        ({"metric": ERROR, **OWN, "task": None}, "the metric 'error' is your own and task= is missing"),
        ({"metric": ERROR, **OWN, "score": None}, "the metric 'error' is your own and score= is missing"),
        ({"metric": ERROR, **OWN, "loss": None}, "the metric 'error' is your own and loss= is missing"),
        ({"epochs": None}, "epochs= or batch_size= is missing"),
        ({"epochs": 0}, "epochs is 0; give a whole number from 1 on"),
        ({"batch_size": 2.5}, "batch_size is 2.5; give a whole number"),
        ({"learning_rate": 0}, "learning_rate is 0; give a number above 0"),
        ({"settings": {"short": Setting(1, 1, 0.1)}}, "settings= stand beside epochs="),
        ({"settings": {}, "epochs": None, "batch_size": None}, "settings= are {}; give a greenbench.Setting"),
        ({"optimizer": lambda network, rate: None}, "optimizer= stands without learning_rate="),
        (
            {"optimizer": torch.optim.AdamW, "learning_rate": 1.0},
            "is no function of network and learning rate",
        ),
        ({"optimizer": lambda network: None, "learning_rate": 1.0}, "is no function of network and learning"),
        ({"schedule": lambda optimizer: None}, "is no function of optimizer, steps per epoch and epochs"),
        ({"loss": nn.CrossEntropyLoss()}, r"loss=CrossEntropyLoss\(\) cannot be called without arguments"),
        ({"loss": nn.functional.cross_entropy}, "give what builds the loss: loss=lambda"),
        ({"network": nn.Linear(1, 1)}, "network= is Linear, and every run needs a new one"),
        ({"name": "My Set"}, "workload 'My Set' has a name that cannot be used"),
    ],
)
def test_arguments_that_do_not_belong_together_are_refused(arguments, problem):
    with pytest.raises(UserError, match=problem):
        made(**arguments)


def test_a_function_that_takes_something_else_is_refused():
    with pytest.raises(UserError, match="'own' takes 'data_root', and can be given root and device"):
        made(lambda data_root: None, name="own")


def test_the_decorator_imports_no_torch():
    code = "import sys, greenbench; greenbench.workload; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_decorator_without_its_arguments_says_how_it_is_written():
    def flowers(root):
        """Need no data: it is not called."""

    for use in (
        lambda: greenbench.workload(flowers),
        lambda: greenbench.workload(epochs=1, batch_size=8),
        lambda: greenbench.workload("accuracy"),
    ):
        with pytest.raises(
            UserError, match=r'without a metric; write @greenbench.workload\(metric="accuracy"'
        ):
            use()
