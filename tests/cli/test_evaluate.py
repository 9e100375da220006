"""``samsr evaluate``: what it prints, writes and exits with."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from sam_diffsr_cli.checkpoints.store import save_weights
from sam_diffsr_cli.cli.app import app
from sam_diffsr_cli.device import resolve_precision
from sam_diffsr_cli.networks.model import build_model
from tests.helpers import TINY

Command = Callable[..., Result]


@pytest.fixture
def evaluate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command in a folder with a tiny model and the sets ``Set`` and ``Other``."""
    monkeypatch.chdir(tmp_path)
    model = build_model(TINY, seed=1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    save_weights(Path("tiny.safetensors"), model, "a test")
    for folder, names in (("Set", "ab"), ("Other", "c")):
        Path(folder).mkdir()
        for name in names:
            pixels = np.random.default_rng(ord(name)).integers(0, 256, (40, 48, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(Path(folder, f"{name}.png"))

    def run(*arguments: str) -> Result:
        options = ["--model", "tiny.safetensors", "--device", "cpu"]
        return CliRunner().invoke(app, ["evaluate", *options, *arguments])

    return run


def test_the_table_has_a_row_a_method_and_the_protocol_below(evaluate: Command) -> None:
    result = evaluate("--data", "Set", "--method", "bicubic", "--method", "default")
    assert result.exit_code == 0
    assert re.search(r"bicubic +\d+\.\d\d +0\.\d{4}", result.stdout)
    assert re.search(r"default +\d+\.\d\d", result.stdout)
    for words in ("protocol: standard", "shave: 4 pixels", "inputs: MATLAB bicubic", "sha256"):
        assert words in result.stdout
    assert "\x1b" not in result.stdout


def test_json_is_the_only_thing_on_stdout(evaluate: Command) -> None:
    result = evaluate(
        "--data", "Set", "--data", "Other", "--steps", "0,1", "--seeds", "2", "--json"
    )
    document = json.loads(result.stdout)
    assert [(one["set"], one["method"], one["seeds"]) for one in document["means"]] == [
        ("Set", "steps 0", 1),
        ("Set", "steps 1", 2),
        ("Other", "steps 0", 1),
        ("Other", "steps 1", 2),
    ]
    assert "standard_errors" in document["means"][1]
    assert set(document["means"][1]["standard_errors"]) >= {"psnr_y", "lr_psnr"}
    assert document["facts"]["model"].startswith("tiny, sha256 ")
    precision = resolve_precision("auto", torch.device("cpu"))
    assert document["facts"]["device"] == f"cpu, {precision}"


def test_csv_markdown_and_page_are_written(evaluate: Command) -> None:
    files = ("--csv", "n.csv", "--markdown", "n.md", "--report", "page.html")
    result = evaluate("--data", "Set", "--method", "bicubic", "--steps", "0,1,2", *files)
    assert result.exit_code == 0, result.stderr
    lines = [li for li in Path("n.csv").read_text("utf-8").splitlines() if li[0] != "#"]
    assert len(list(csv.DictReader(lines))) == 8
    assert "| bicubic |" in Path("n.md").read_text("utf-8")
    page = Path("page.html").read_text("utf-8")
    for words in ("samsr evaluate: Set", "steps 2", "PSNR-Y", "a.png", "<svg"):
        assert words in page
    assert not list(Path.cwd().glob("samsr-*"))


def test_it_goes_on_in_its_folder(evaluate: Command) -> None:
    first = evaluate("--data", "Set", "--out", "kept", "--json")
    assert sorted(p.name for p in Path("kept/Set/default").iterdir()) == ["a.png", "b.png"]
    written = [path.stat().st_mtime_ns for path in Path("kept/Set/default").iterdir()]
    again = evaluate("--data", "Set", "--out", "kept", "--json")
    assert again.exit_code == 0
    assert json.loads(again.stdout) == json.loads(first.stdout)
    assert [path.stat().st_mtime_ns for path in Path("kept/Set/default").iterdir()] == written


def test_another_protocol_gives_other_numbers_and_its_own_name(evaluate: Command) -> None:
    values = {}
    for name in ("standard", "samdiffsr"):
        document = json.loads(
            evaluate("--data", "Set", "--method", "bicubic", "--protocol", name, "--json").stdout
        )
        assert document["facts"]["protocol"] == name
        values[name] = document["means"][0]["values"]["psnr_y"]
    assert values["standard"] != values["samdiffsr"]


def test_given_inputs_are_taken(evaluate: Command) -> None:
    Path("lr").mkdir()
    for name in "ab":
        Image.new("RGB", (12, 10), (9, 9, 9)).save(f"lr/{name}.png")
    result = evaluate("--data", "Set", "--lr", "lr", "--method", "bicubic", "--out", "kept")
    assert result.exit_code == 0
    with Image.open("kept/Set/bicubic/a.png") as image:
        assert image.getextrema() == ((9, 9), (9, 9), (9, 9))


def test_a_folder_of_results_is_measured(evaluate: Command) -> None:
    result = evaluate("--data", "Set", "--method", "perfect=Set", "--json")
    (mean,) = json.loads(result.stdout)["means"]
    assert mean["method"] == "perfect"
    assert mean["values"]["psnr_y"] is None
    assert mean["values"]["ssim_y"] == 1.0
    assert mean["values"]["detail"] == 1.0


def test_a_picture_that_fails_is_told_and_the_others_are_measured(evaluate: Command) -> None:
    Path("Set/a.png").write_bytes(b"no picture")
    result = evaluate("--data", "Set", "--method", "bicubic", "--json")
    assert result.exit_code == 6
    document = json.loads(result.stdout)
    assert [one["picture"] for one in document["pictures"]] == ["b.png"]
    assert "a.png" in document["failed"][0]
    assert "a.png" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--data", "nothing"], 3, "nothing: not a folder"),
        (["--data", "Set", "--method", "nearest"], 3, "--method nearest: unknown"),
        (["--data", "Set", "--steps", "11"], 3, "at most 10"),
        (["--data", "Set", "--data", "Set"], 3, "two sets are called Set"),
        (["--data", "Set", "--report", "page.txt"], 3, "page.txt: its name should end in .html"),
        (["--data", "Set", "--csv", "gone/n.csv"], 3, "its folder does not exist"),
        (["--data", "Set", "--seeds", "0"], 2, "--seeds"),
        (["--data", "Set", "--protocol", "mine"], 2, "--protocol"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_it_is_refused_with_what_is_wrong(
    evaluate: Command, arguments: list[str], code: int, words: str
) -> None:
    before = sorted(Path().rglob("*"))
    result = evaluate(*arguments)
    assert result.exit_code == code
    assert words in result.stderr
    assert sorted(Path().rglob("*")) == before


def test_files_are_replaced_only_when_it_is_said(evaluate: Command) -> None:
    Path("README.md").write_text("mine")
    options = ("--data", "Set", "--method", "bicubic", "--markdown", "README.md")
    result = evaluate(*options)
    assert result.exit_code == 3
    assert "README.md: is there already" in result.stderr
    assert Path("README.md").read_text() == "mine"
    assert evaluate(*options, "--overwrite").exit_code == 0
    assert "bicubic" in Path("README.md").read_text("utf-8")


def test_the_model_is_a_fact_only_where_it_was_run(evaluate: Command) -> None:
    facts = {
        method: json.loads(evaluate("--data", "Set", "--method", method, "--json").stdout)["facts"]
        for method in ("default", "mine=Set")
    }
    assert {"model", "default steps", "device"} <= facts["default"].keys()
    assert not {"model", "default steps", "device"} & facts["mine=Set"].keys()


def test_results_kept_below_the_truths_are_no_truths(evaluate: Command) -> None:
    options = ("--data", "Set", "--method", "bicubic", "--out", "Set/kept", "--json")
    first = json.loads(evaluate(*options).stdout)
    again = json.loads(evaluate(*options).stdout)
    assert again == first
    assert len(again["pictures"]) == 2


def test_a_missing_result_leaves_its_picture_out_of_all_means(evaluate: Command) -> None:
    Path("mine").mkdir()
    Path("mine/b.png").write_bytes(Path("Set/b.png").read_bytes())
    result = evaluate("--data", "Set", "--method", "mine", "--method", "bicubic", "--json")
    assert result.exit_code == 6
    assert [one["pictures"] for one in json.loads(result.stdout)["means"]] == [1, 1]


def test_a_message_is_printed_as_it_is(evaluate: Command) -> None:
    assert "--method steps:x: unknown" in evaluate("--data", "Set", "--steps", "x").stderr
