"""The table of peers; their networks are run by hand."""

from pathlib import Path

import numpy as np
import pytest

from sam_diffsr_cli.evaluation.sets import Case, Truth
from tests.helpers import draw_photos
from tests.workshop.benchmarks.peers import (
    Numbers,
    cut_sets,
    find_networks,
    peer_method,
    table,
    verdicts,
)

FOUND = {
    ("clean", "peer"): Numbers(25.0, 0.2, 30.0),
    ("clean", "default"): Numbers(26.5, 0.22, 50.0),
    ("jpeg:40", "peer"): Numbers(24.0, 0.2, 29.0),
    ("jpeg:40", "default"): Numbers(25.5, 0.24, 31.0),
}


def test_a_line_is_a_method_and_a_column_a_row() -> None:
    lines = table(FOUND, {"peer": 36.4}).splitlines()
    assert lines[0] == "| | clean | jpeg:40 | CPU s/MP |"
    assert lines[2] == "| peer | 25.00 / 0.200 / 30.0 | 24.00 / 0.200 / 29.0 | 36.40 |"
    assert lines[3].endswith("| 25.50 / 0.240 / 31.0 |  |")


def test_a_row_is_reached_by_psnr_and_lpips_together() -> None:
    first, second = verdicts(FOUND, ["peer"], "default")
    assert first == "clean: default beside peer: +1.50 dB, LPIPS +0.020: reached"
    assert second == "jpeg:40: default beside peer: +1.50 dB, LPIPS +0.040: not reached"


def test_a_network_is_given_unit_levels_and_its_answer_is_clipped_and_rounded() -> None:
    given = []

    def network(unit: np.ndarray) -> np.ndarray:
        given.append(unit)
        return np.kron(unit, np.ones((1, 4, 4), np.float32)) * 1.5 - 0.1

    lr = np.array([[[0, 101, 255], [51, 51, 51]]], np.uint8)
    hr = np.zeros((4, 8, 3), np.uint8)
    truth = Truth(Path("a.png"), "a.png", "a.png", ())
    sr = peer_method("x", network).enlarge(Case(hr, lr, lr), truth, 0)
    assert given[0].dtype == np.float32
    assert given[0].shape == (3, 1, 2)
    assert sr.shape == (4, 8, 3)
    assert sr[0, 0].tolist() == [0, 126, 255]
    assert sr[3, 7].tolist() == [51, 51, 51]


def test_only_networks_with_both_files_are_taken(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"no NAME\.param"):
        find_networks(tmp_path)
    for name in ("b.param", "b.bin", "a.param"):
        (tmp_path / name).touch()
    assert find_networks(tmp_path) == [tmp_path / "b.param"]


def test_the_middle_of_each_picture_is_cut_once(tmp_path: Path) -> None:
    folder = draw_photos(tmp_path / "set", ("a.png", "b.png"))
    (place,) = cut_sets([f"Set={folder}:1"], 8, tmp_path / "out")
    assert place == f"Set={tmp_path}/out/crops-8/Set:1"
    path = tmp_path / "out/crops-8/Set/a.png"
    written = path.stat().st_mtime_ns
    cut_sets([f"Set={folder}:1"], 8, tmp_path / "out")
    assert path.stat().st_mtime_ns == written
