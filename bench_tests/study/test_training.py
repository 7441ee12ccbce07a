"""Every technique on every workload of its task, trained and held against the baseline."""


def test_training(green_training, green_study):
    green_study.check(green_training)
