"""The weights that come with samsr are there, whole, small, and of the default preset."""

from pathlib import Path

import pytest

from sam_diffsr_cli.checkpoints import registry
from sam_diffsr_cli.checkpoints.registry import bundled_weights
from sam_diffsr_cli.checkpoints.store import load_weights
from sam_diffsr_cli.config import LITE
from sam_diffsr_cli.errors import WeightsError


def test_the_bundled_model_is_the_lite_preset() -> None:
    assert load_weights(bundled_weights()).model.config == LITE


def test_the_bundled_model_tells_its_origin() -> None:
    assert "samsr train" in load_weights(bundled_weights()).source


def test_the_bundled_file_is_at_most_20_mib() -> None:
    assert bundled_weights().stat().st_size <= 20 * 2**20


def test_a_bundled_file_with_another_digest_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.DIGESTS, registry.DEFAULT_MODEL, "0" * 64)
    with pytest.raises(WeightsError, match="damaged"):
        bundled_weights()


def test_a_missing_bundled_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(registry, "__file__", str(tmp_path / "a" / "b" / "registry.py"))
    with pytest.raises(WeightsError, match="missing"):
        bundled_weights()
