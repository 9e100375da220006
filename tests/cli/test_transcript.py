"""What the command line says where it runs no network, word for word, and what it exits with."""

from pathlib import Path

import pytest

from tests.workshop.tools.record_transcript import SETTINGS, cheap_commands, draw_inputs, record

RECORDED = Path(__file__).with_name("transcript.txt")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SAMSR_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SAMSR_DATA", raising=False)
    draw_inputs(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path.resolve()


def test_the_command_line_says_what_was_recorded(folder: Path) -> None:
    """Where a change is wanted, ``record_transcript --cheap`` writes the file anew."""
    said = "".join(f"{text}\n" for text in record(folder, cheap_commands()))
    assert said == RECORDED.read_text(encoding="utf-8")
