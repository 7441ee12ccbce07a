"""``--green-download``: what is not there is downloaded before the first case, and nothing else."""

from __future__ import annotations

import pytest

from bench_tests.harness.local_server import offer, zip_of

OFFERED = '''
import greenbench
import torch
from greenbench.spec.download import Download


@greenbench.workload(
    metric="accuracy", epochs=1, batch_size=8, folder="dots", how_to_get="Draw some.",
    downloads=[Download({url!r}, {checksum!r}, "dots")],
)
def dots(root):
    """Dots: bright or dark."""
    assert (root / "dots" / "a.txt").read_text() == "a"
    labels = torch.arange(16) % 2
    images = (labels * 200).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 8, 8).contiguous()
    data = torch.utils.data.TensorDataset(images, labels)
    return data, data, lambda: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
'''
BASELINE = ("-k", "training and baseline-dots", "--green-file=dots.py")


@pytest.fixture
def offered(pytester, server):
    made = offer(server, zip_of({"dots/a.txt": b"a"}), "dots.zip", "dots", "sha256")
    (pytester.path / "dots.py").write_text(OFFERED.format(url=made.url, checksum=made.checksum))
    (pytester.path / "data").mkdir()
    return pytester.path / "data"


def text_of(result):
    return result.stdout.str() + result.stderr.str()


def test_data_are_downloaded_before_the_first_case(run_study, offered, server):
    result = run_study(*BASELINE, "--green-data=data", "--collect-only", "--green-download")
    assert (result.ret, server.asked) == (0, []), text_of(result)
    result = run_study(*BASELINE, "--green-data=data", "--green-download")
    result.assert_outcomes(passed=1)
    assert len(server.asked) == 1
    assert [file.name for file in offered.iterdir()] == ["dots"]


def test_a_download_that_fails_is_refused_before_the_first_case(run_study, offered, server):
    server.status = 404
    result = run_study(*BASELINE, "--green-data=data", "--green-download")
    assert result.ret == 4, text_of(result)
    assert "dots.zip cannot be downloaded: the answer is 404" in text_of(result)
    assert "Traceback" not in text_of(result)
    assert not list(offered.iterdir())


def test_data_that_cannot_be_downloaded_are_skipped_as_without_it(run_study, offered, pytester, server):
    file = pytester.path / "dots.py"
    file.write_text(file.read_text().replace('"dots")]', ")]"))
    result = run_study(*BASELINE, "--green-data=data", "--green-download")
    assert "looked for" in text_of(result)
    assert "Draw some." in text_of(result)
    assert server.asked == []


def test_without_a_folder_it_is_refused(run_study, server):
    result = run_study("--green-download")
    assert result.ret == 4, text_of(result)
    assert "--green-download has no folder to put data into; give one with --green-data" in text_of(result)


@pytest.mark.slow
def test_with_xdist_the_controller_downloads_once(run_study, offered, server):
    result = run_study(
        *BASELINE[2:], "--green-data=data", "--green-download", "-n", "2", "-k", "training and dots"
    )
    assert result.ret in (0, 1), text_of(result)
    assert "looked for" not in text_of(result)
    assert len(server.asked) == 1
