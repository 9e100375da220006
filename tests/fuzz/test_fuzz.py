"""A short fuzz run, hostile files, old findings; and that the fuzzer finds what it looks for."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
WORKSHOP = HERE.parent / "workshop" / "fuzz"
SCRIPT = WORKSHOP / "fuzz_decoders.py"
CORPUS = HERE / "corpus"
NAUGHTY = """
import ctypes, time

def try_file(path, out, turn):
    if turn == 1:
        ctypes.string_at(0)
    if turn == 2:
        time.sleep(60)
    if turn == 3:
        raise KeyError("unexpected")
    if turn == 4:
        (out.parent / "stray").touch()
    if turn == 5:
        path.write_bytes(b"other")
    if turn == 6:
        (out / ".left").touch()
    if turn == 7:
        b"x" * (150 << 20)
    if turn == 8:
        bytearray(1 << 40)
    return "decoded" if turn % 2 else "refused"
"""
TOLD = {
    1: "the process ended with -11",
    2: "hung for 5 s",
    3: "KeyError: 'unexpected'",
    4: "stray",
    5: "the input was changed",
    6: ".left",
    7: "took more than 100 MB",
    8: "MemoryError",
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="measures processes as on Linux"),
]


def fuzz(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(SCRIPT), *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603


def test_damaged_files_are_decoded_or_refused_and_nothing_else() -> None:
    result = fuzz("--runs", 400, "--seed", 12345)
    assert result.returncode == 0, result.stdout + result.stderr
    summary = re.fullmatch(
        r"400 files: (\d+) decoded, (\d+) refused, 0 findings, \d+ s\n", result.stdout
    )
    assert summary is not None
    assert min(int(summary[1]), int(summary[2])) > 50


def test_old_findings_do_no_harm_in_any_format() -> None:
    count = len([*CORPUS.iterdir()])
    assert count > 5
    result = fuzz("--files", CORPUS, "--turns", 14, "--memory", 300)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.startswith(f"{14 * count} files: ")


def test_hostile_files_do_no_harm(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(WORKSHOP / "nasty.py"), str(tmp_path)], check=True)  # noqa: S603
    count = len([*tmp_path.iterdir()])
    assert count > 40
    result = fuzz("--files", tmp_path, "--memory", 200)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.startswith(f"{count} files: ")


def test_the_same_seed_makes_the_same_files(tmp_path: Path) -> None:
    echo = tmp_path / "echo.py"
    echo.write_text(
        "import hashlib\n"
        "def try_file(path, out, turn):\n"
        "    raise ValueError(hashlib.sha256(path.read_bytes()).hexdigest())\n"
    )
    runs = [fuzz("--runs", 60, "--seed", seed, "--target", echo) for seed in (3, 3, 4)]
    told = [
        [line for line in run.stdout.splitlines() if line.startswith("ValueError")] for run in runs
    ]
    assert len(told[0]) == 60
    assert told[0] == told[1]
    assert told[0] != told[2]


def test_every_kind_of_harm_is_found_and_its_file_is_kept(tmp_path: Path) -> None:
    target, kept = tmp_path / "naughty.py", tmp_path / "kept"
    target.write_text(NAUGHTY)
    options = ("--target", target, "--keep", kept, "--timeout", 5, "--memory", 100)
    result = fuzz("--runs", 11, *options)
    assert result.returncode == 1
    assert "11 files: 1 decoded, 2 refused, 8 findings" in result.stdout
    findings = result.stdout.split("FINDING ")[1:]
    assert [int(text.split()[0]) for text in findings] == sorted(TOLD)
    for text, words in zip(findings, TOLD.values(), strict=True):
        assert words in text
    assert [int(path.name[:6]) for path in sorted(kept.iterdir())] == sorted(TOLD)
