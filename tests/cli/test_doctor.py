"""``samsr doctor`` as a person meets it, and as a program does."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sam_diffsr_cli import __version__
from sam_diffsr_cli.checkpoints import registry
from sam_diffsr_cli.cli.app import app
from sam_diffsr_cli.diagnosis import selftest
from sam_diffsr_cli.diagnosis.records import SelfTest

ROOT = Path(__file__).resolve().parents[2]


def doctor(*options: str) -> tuple[int, str, str]:
    """Run the command in this process: exit code, stdout, stderr."""
    result = CliRunner().invoke(app, ["doctor", *options])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def document() -> tuple[int, Any]:
    code, stdout, _ = doctor("--json")
    return code, json.loads(stdout)


@pytest.fixture
def damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the bundled model be another file than the one that was shipped."""
    monkeypatch.setitem(registry.DIGESTS, registry.DEFAULT_MODEL, "0" * 64)


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let memory run out on every device."""

    def run_selftests(devices: Any) -> Iterator[SelfTest]:
        for device in devices:
            yield SelfTest(device=device.name, precision="fp32", error="no memory", exit_code=5)

    monkeypatch.setattr(selftest, "run_selftests", run_selftests)


def test_an_installation_that_works_is_success_with_nothing_on_stderr() -> None:
    code, stdout, stderr = doctor()
    assert (code, stderr) == (0, "")
    assert f"samsr       {__version__}\n" in stdout
    assert "cpu         passed in" in stdout


def test_the_report_is_plain_text_in_two_columns() -> None:
    _, stdout, _ = doctor()
    assert "\x1b" not in stdout
    body = [line for line in stdout.splitlines() if line not in ("", "self-test", "what to do")]
    assert all(line[11] == " " != line[12] for line in body)


@pytest.mark.usefixtures("damaged")
def test_a_damaged_model_is_told_and_is_exit_code_4() -> None:
    code, stdout, stderr = doctor()
    assert code == 4
    assert "FAILED" in stdout
    assert "install again" in stdout
    assert "error: the self-test on" in stderr


@pytest.mark.usefixtures("full")
def test_memory_that_ran_out_is_exit_code_5() -> None:
    code, stdout, stderr = doctor()
    assert code == 5
    assert "FAILED: no memory" in stdout
    assert "no memory" in stderr


def test_json_is_one_document_of_version_1() -> None:
    code, told = document()
    assert code == 0
    assert (told["samsr"], told["version"], told["status"]) == (1, __version__, "ok")
    assert (told["exit_code"], told["error"]) == (0, None)
    assert [test["device"] for test in told["self_tests"]] == [d["name"] for d in told["devices"]]
    assert told["auto"] in [device["name"] for device in told["devices"]]
    assert {"machine", "torch", "model", "libraries", "advice"} <= told.keys()


@pytest.mark.usefixtures("damaged")
def test_json_of_a_failure_is_still_one_document() -> None:
    code, told = document()
    assert code == told["exit_code"] == told["error"]["exit_code"] == 4
    assert told["status"] == "failed"
    assert any(each["is_problem"] and "damaged" in each["what"] for each in told["advice"])


@pytest.mark.usefixtures("damaged")
def test_what_the_table_advises_is_what_the_document_advises() -> None:
    _, stdout, _ = doctor()
    _, told = document()
    for each in told["advice"]:
        assert each["what"] in stdout
        assert each["remedy"] in stdout


@pytest.mark.slow
def test_a_torch_that_cannot_be_loaded_is_reported_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise OSError('libcudart.so: cannot open')\n")
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    result = subprocess.run(
        [sys.executable, "-m", "sam_diffsr_cli", "doctor"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": paths, "COLUMNS": "200"},
    )
    assert result.returncode == 4
    assert "torch       DOES NOT WORK: OSError: libcudart.so: cannot open" in result.stdout
    assert "pip install --force-reinstall torch torchvision" in result.stdout
    assert "pillow" in result.stdout
    assert "Traceback" not in result.stderr
