"""Every technique that changes the network, measured at inference and held against the baseline."""


def test_inference(green_inference, green_study):
    green_study.check(green_inference)
