"""The inference matrix: every technique that changes the network, held against the baseline."""

import pytest


@pytest.mark.inference
def test_inference(inference_pair, study):
    findings = study.check(inference_pair)
    assert not findings, study.explain(findings, inference_pair)
