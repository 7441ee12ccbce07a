"""What the training of every technique on every workload of its task would cost, from seconds of it."""


def test_cost(green_cost, green_study):
    green_study.check(green_cost)
