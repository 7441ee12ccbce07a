"""The training matrix: every technique on every data set of its task, held against the baseline."""

import pytest


@pytest.mark.training
def test_training(training_pair, study):
    findings = study.check(training_pair)
    assert not findings, study.explain(findings, training_pair)
