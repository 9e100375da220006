"""The JSON document of ``--json``, in each way that a run can end."""

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
import torch
from PIL import Image

import sam_diffsr_cli
from sam_diffsr_cli.batch.pipeline import Outcome
from sam_diffsr_cli.batch.plan import Job, Naming
from sam_diffsr_cli.batch.report import FailureLog, closing_line
from sam_diffsr_cli.batch.sources import Source
from sam_diffsr_cli.checkpoints.store import save_weights
from sam_diffsr_cli.cli.render import error_document, to_text
from sam_diffsr_cli.degradation.levels import Levels, describe_levels
from sam_diffsr_cli.device import resolve_precision
from sam_diffsr_cli.errors import InputError, SamsrError
from sam_diffsr_cli.networks.model import build_model
from sam_diffsr_cli.upscaling.cleaning import estimate_levels
from sam_diffsr_cli.upscaling.model import load_upscaler
from tests.helpers import TINY, draw_photos, samsr

if TYPE_CHECKING:
    from sam_diffsr_cli.batch.request import BatchPlan

RUN_KEYS = {
    "samsr", "version", "status", "exit_code", "error", "made_by", "plan", "left_out", "files"
}  # fmt: skip
EARLY_KEYS = RUN_KEYS - {"made_by", "plan", "left_out"}
PLAN_KEYS = {
    "pictures",
    "already_there",
    "unreadable",
    "too_large",
    "megapixels_in",
    "megapixels_out",
    "is_sampled",
}
FILE_KEYS = {
    "source",
    "target",
    "status",
    "size_in",
    "size_out",
    "frames",
    "seconds",
    "notes",
    "left_out",
    "error",
    "estimate",
    "levels",
    "worker",
}
MADE_KEYS = {
    "tool",
    "model",
    "sha256",
    "scale",
    "steps",
    "sampler",
    "seed",
    "clean",
    "detail",
    "precision",
    "device",
}
ERROR_KEYS = {"message", "hint", "exit_code"}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return draw_photos(tmp_path / "photos", ("a.png", "b.jpg", "c.webp"))


def upscale(*arguments: object) -> tuple[dict[str, Any], str]:
    """Run with ``--json``: the document, which agrees with the exit code, and stderr."""
    ran = samsr("upscale", "--json", "--device", "cpu", *arguments)
    document: dict[str, Any] = json.loads(ran.stdout)
    assert document["exit_code"] == ran.exit_code
    assert document["samsr"] == 1
    assert document["version"] == sam_diffsr_cli.__version__
    return document, ran.stderr


@contextmanager
def stopped_at(monkeypatch: pytest.MonkeyPatch, name: str, error: BaseException) -> Iterator[None]:
    """Raise ``error`` where the picture ``name`` would be enlarged."""
    from sam_diffsr_cli.batch import stages

    enlarge = stages._enlarge

    def stop(job: Any, *rest: Any) -> Any:
        if job.source.path.name == name:
            raise error
        return enlarge(job, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(stages, "_enlarge", stop)
        yield


def test_a_run_without_failures_is_ok(photos: Path, weights: Path, tmp_path: Path) -> None:
    document, _ = upscale(photos, tmp_path / "out", "--weights", weights)
    assert set(document) == RUN_KEYS
    assert (document["status"], document["exit_code"], document["error"]) == ("ok", 0, None)
    assert [each["status"] for each in document["files"]] == ["done"] * 3


def test_a_file_is_told_in_full(photos: Path, weights: Path, tmp_path: Path) -> None:
    document, _ = upscale(photos / "a.png", tmp_path / "big.png", "--weights", weights)
    (entry,) = document["files"]
    assert set(entry) == FILE_KEYS
    assert entry["source"] == str(photos / "a.png")
    assert entry["target"] == str(tmp_path / "big.png")
    assert entry["size_in"] == {"width": 9, "height": 6}
    assert entry["size_out"] == {"width": 36, "height": 24}
    assert entry["frames"] == 1
    assert set(entry["seconds"]) == {"read", "enlarge", "write"}
    assert entry["seconds"]["enlarge"] > 0
    assert (entry["notes"], entry["left_out"], entry["error"]) == ([], [], None)


def test_the_document_says_how_pictures_were_made(
    photos: Path, weights: Path, tmp_path: Path
) -> None:
    options = ("--weights", weights, "--scale", 2.5, "--seed", 7, "--steps", 1)
    made = upscale(photos / "a.png", tmp_path / "big.png", *options)[0]["made_by"]
    assert set(made) == MADE_KEYS
    assert (made["model"], made["scale"], made["seed"], made["steps"]) == ("tiny", 2.5, 7, 1)
    precision = resolve_precision("auto", torch.device("cpu"))
    assert (made["device"], made["precision"]) == ("cpu", precision)


def test_the_plan_counts_pictures_and_pixels(photos: Path, weights: Path, tmp_path: Path) -> None:
    large = np.zeros((500, 400), dtype=np.uint8)
    Image.fromarray(large).save(photos / "large.png")
    document, _ = upscale(photos, tmp_path / "out", "--dry-run", "--scale", 2, "--weights", weights)
    assert document["plan"] == {
        "pictures": 4,
        "already_there": 0,
        "unreadable": 0,
        "megapixels_in": pytest.approx(0.2, abs=0.001),
        "megapixels_out": pytest.approx(0.8, abs=0.002),
        "is_sampled": False,
        "too_large": 0,
    }


def test_notes_of_a_picture_are_in_its_entry(photos: Path, weights: Path, tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8)).save(photos / "ink.jpg")
    document, _ = upscale(photos / "ink.jpg", tmp_path / "out", "--weights", weights)
    assert any("CMYK" in note for note in document["files"][0]["notes"])


def test_some_failures_are_partial(photos: Path, weights: Path, tmp_path: Path) -> None:
    (photos / "bb.png").write_bytes(b"not a picture")
    document, stderr = upscale(photos, tmp_path / "out", "--weights", weights)
    assert (document["status"], document["exit_code"]) == ("partial", 6)
    assert set(document["error"]) == ERROR_KEYS
    assert "1 of 4" in document["error"]["message"]
    assert [each["status"] for each in document["files"]] == ["done", "done", "failed", "done"]
    failed = document["files"][2]
    assert failed["error"]["exit_code"] == 3
    assert "bb.png" in failed["error"]["message"]
    assert (failed["size_in"], failed["size_out"]) == (None, None)
    assert "bb.png" in stderr


def test_the_failure_of_the_only_picture_is_that_of_the_run(weights: Path, tmp_path: Path) -> None:
    document, _ = upscale(tmp_path / "gone.png", tmp_path / "out", "--weights", weights)
    assert (document["status"], document["exit_code"]) == ("failed", 3)
    assert set(document) == RUN_KEYS
    assert "gone.png" in document["error"]["message"]
    assert document["error"] == document["files"][0]["error"]


def test_a_full_disk_is_failed_and_lists_what_was_reached(
    photos: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("sam_diffsr_cli.atomic.os.fsync", full)
    document, _ = upscale(photos, tmp_path / "out", "--weights", weights)
    assert (document["status"], document["exit_code"]) == ("failed", 5)
    assert "no space left" in document["error"]["message"]
    assert document["files"][0]["status"] == "failed"
    assert "done" not in [each["status"] for each in document["files"]]


def test_fail_fast_lists_nothing_after_the_failure(
    photos: Path, weights: Path, tmp_path: Path
) -> None:
    (photos / "aa.png").write_bytes(b"not a picture")
    document, _ = upscale(photos, tmp_path / "out", "--fail-fast", "--weights", weights)
    assert (document["status"], document["exit_code"]) == ("partial", 6)
    assert [each["status"] for each in document["files"]] == ["done", "failed"]


def test_an_interrupt_is_interrupted_and_lists_what_is_done(
    photos: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stopped_at(monkeypatch, "c.webp", KeyboardInterrupt()):
        document, stderr = upscale(photos, tmp_path / "out", "--weights", weights)
    assert (document["status"], document["exit_code"]) == ("interrupted", 130)
    assert set(document) == RUN_KEYS
    done = [each["target"] for each in document["files"] if each["status"] == "done"]
    assert sorted(done) == sorted(str(path) for path in (tmp_path / "out").iterdir())
    assert f"interrupted; {len(done)} of 3" in stderr


def test_an_interrupt_before_the_first_picture_is_interrupted(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sam_diffsr_cli.batch.request.load_upscaler", stop)
    document, _ = upscale(photos, tmp_path / "out")
    assert set(document) == EARLY_KEYS
    assert (document["status"], document["exit_code"]) == ("interrupted", 130)


@pytest.mark.parametrize(
    "options",
    [("--seed", "-1"), ("--seed", "x"), ("--on-exists", "ask"), ("--no-such-option",)],
    ids=["range", "type", "choice", "unknown"],
)
def test_a_usage_error_is_failed(options: tuple[str, ...], photos: Path, tmp_path: Path) -> None:
    document, stderr = upscale(photos, tmp_path / "out", *options)
    assert set(document) == EARLY_KEYS
    assert (document["status"], document["exit_code"], document["files"]) == ("failed", 2, [])
    assert set(document["error"]) == ERROR_KEYS
    assert options[0] in document["error"]["message"]
    assert options[0] in stderr


def test_a_missing_argument_is_failed() -> None:
    document, _ = upscale()
    assert (document["status"], document["exit_code"]) == ("failed", 2)
    assert "IN" in document["error"]["message"]


@pytest.mark.parametrize(
    ("options", "code"),
    [(("--scale", "17"), 3), (("--weights", "gone.safetensors"), 4), (("--format", "heic"), 3)],
    ids=["input", "weights", "format"],
)
def test_an_error_before_the_first_picture_is_failed(
    options: tuple[str, ...], code: int, photos: Path, tmp_path: Path
) -> None:
    document, _ = upscale(photos, tmp_path / "out", *options)
    assert set(document) == EARLY_KEYS
    assert (document["status"], document["exit_code"], document["files"]) == ("failed", code, [])
    assert document["error"]["exit_code"] == code


def test_a_dry_run_is_planned_and_writes_nothing(
    photos: Path, weights: Path, tmp_path: Path
) -> None:
    document, _ = upscale(photos, tmp_path / "out", "--dry-run", "--weights", weights)
    assert set(document) == RUN_KEYS
    assert (document["status"], document["exit_code"], document["error"]) == ("planned", 0, None)
    assert [each["status"] for each in document["files"]] == ["planned"] * 3
    assert set(document["plan"]) == PLAN_KEYS
    assert not (tmp_path / "out").exists()


def test_a_dry_run_tells_what_is_there_already(photos: Path, weights: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    options = ("--dry-run", "--on-exists", "skip", "--weights", weights)
    document, _ = upscale(photos, tmp_path, *options)
    assert document["plan"]["already_there"] == 1
    assert document["status"] == "planned"
    assert [each["status"] for each in document["files"]] == ["skipped", "planned", "planned"]


def test_a_dry_run_of_what_is_all_there_is_planned_too(
    photos: Path, weights: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.png").touch()
    options = ("--dry-run", "--on-exists", "skip", "--weights", weights)
    document, _ = upscale(photos / "a.png", tmp_path, *options)
    assert (document["status"], document["exit_code"]) == ("planned", 0)


def test_a_dry_run_tells_what_cannot_be_read(photos: Path, weights: Path, tmp_path: Path) -> None:
    (photos / "bad.png").write_bytes(b"not a picture")
    document, _ = upscale(photos, tmp_path / "out", "--dry-run", "--weights", weights)
    assert document["plan"]["unreadable"] == 1
    assert document["exit_code"] == 6
    assert [each["status"] for each in document["files"]].count("failed") == 1


def test_skipped_pictures_are_listed(photos: Path, weights: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    document, _ = upscale(photos, tmp_path, "--on-exists", "skip", "--weights", weights)
    assert (document["status"], document["exit_code"]) == ("ok", 0)
    assert [each["status"] for each in document["files"]] == ["skipped", "done", "done"]


def test_a_name_that_is_no_text_still_makes_a_document() -> None:
    text = to_text(error_document(InputError("h\u00e4 \udcff")))
    assert text.encode("ascii")
    assert json.loads(text)["error"]["message"] == "h\u00e4 \udcff"


def test_names_are_written_as_they_are_read() -> None:
    assert "\u00e4" in to_text(error_document(InputError("\u00e4")))


# ------------------------------------------------------------------------------------ said once


def failed(index: int, message: str, hint: str | None = None) -> Outcome:
    name = f"in/{index}.png"
    job = Job(Source(Path(name), Path(name)), Path(f"out/{index}.png"), index=index)
    outcome = Outcome(job)
    outcome.fail(InputError(message.format(source=name, target=job.target), hint=hint))
    return outcome


def test_many_failures_for_one_reason_are_told_twenty_times_and_counted() -> None:
    log = FailureLog()
    told = [log.to_tell(failed(index, "{source}: is damaged", "mend it")) for index in range(27)]
    assert told[:3] == [
        ("in/0.png: is damaged", "mend it"),
        ("in/1.png: is damaged", None),
        ("in/2.png: is damaged", None),
    ]
    assert None not in told[:20]
    assert told[20:] == [None] * 7
    assert log.to_tell(failed(41, "{target}: is a folder")) == ("out/41.png: is a folder", None)
    assert log.rest() == ["7 more: is damaged"]


def test_what_has_been_told_is_not_told_again() -> None:
    log = FailureLog(frozenset({4}))
    assert log.to_tell(failed(4, "{target}: exists already")) is None
    assert log.rest() == []


def test_a_bug_is_told_each_time() -> None:
    log = FailureLog()
    for index in range(5):
        outcome = failed(index, "")
        outcome.fail(SamsrError("boom"))
        assert log.to_tell(outcome) == ("boom", None)


def test_many_outputs_that_exist_are_one_error(weights: Path, tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(6)]
    photos = draw_photos(tmp_path / "in", names)
    (tmp_path / "out").mkdir()
    for name in names[:5]:
        (tmp_path / "out" / name).write_text("precious")
    shown = ("--weights", weights, "--device", "cpu", "--steps", 0)
    ran = samsr("upscale", photos, tmp_path / "out", *shown)
    assert ran.exit_code == 6
    assert ran.stderr.count("exist already") == 1
    assert "exists already" not in ran.stderr
    first = ", ".join(str(tmp_path / "out" / name) for name in names[:3])
    assert f"5 outputs exist already: {first}, ..." in ran.stderr
    assert "5 of 6 pictures failed; 1 of 6 pictures done" in ran.stderr
    assert ran.stdout == f"{tmp_path / 'out' / '5.png'}\n"


def test_quiet_prints_errors_alone(weights: Path, tmp_path: Path) -> None:
    photos = draw_photos(tmp_path / "in", ["a.png", "b.png"])
    shown = ("--weights", weights, "--device", "cpu", "--steps", 0, "--quiet")
    assert samsr("upscale", photos, tmp_path / "out", *shown) == (0, "", "")
    (photos / "c.png").write_bytes(b"bad")
    ran = samsr("upscale", photos, tmp_path / "new", *shown)
    assert (ran.exit_code, ran.stdout) == (6, "")
    assert ran.stderr.startswith(f"error: {photos / 'c.png'}")


# ------------------------------------------------------------------ how dirty pictures are found


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """A model that is told levels and estimates them."""
    config = replace(TINY, encoder=replace(TINY.encoder, num_levels=3))
    path = tmp_path / "told.safetensors"
    save_weights(path, build_model(config), "test", torch.float32)
    return path


def found_in(path: Path) -> dict[str, float]:
    pixels = np.asarray(Image.open(path).convert("RGB"))
    model = load_upscaler(path.parent.parent / "told.safetensors", torch.device("cpu"))
    return estimate_levels(model, pixels)._asdict()


def test_the_document_has_the_estimate_beside_what_is_used(
    photos: Path, told: Path, tmp_path: Path
) -> None:
    options = ("--weights", told, "--clean", 30)
    (entry,) = upscale(photos / "a.png", tmp_path / "x.png", *options)[0]["files"]
    assert entry["estimate"] == found_in(photos / "a.png")
    blur = entry["estimate"]["blur"]
    assert entry["levels"] == {"compression": 0.3, "noise": 0.3, "blur": blur}
    off = ("--weights", told, "--clean", "off")
    (entry,) = upscale(photos / "a.png", tmp_path / "y.png", *off)[0]["files"]
    assert entry["estimate"] is None
    assert set(entry["levels"].values()) == {0.0}


def test_verbose_tells_of_each_picture_what_was_estimated(
    photos: Path, told: Path, tmp_path: Path
) -> None:
    options = ("--weights", told, "--clean", 30)
    ran = samsr("upscale", "-v", photos, tmp_path / "out", *options)
    estimate = found_in(photos / "c.webp")
    line = next(line for line in ran.stderr.splitlines() if "c.webp: taken" in line)
    assert "taken for a JPEG of quality 70, noise of 7.5 levels" in line
    told_of = describe_levels(Levels(**estimate))
    assert line.endswith(f"; estimated: {told_of}")
    assert ran.stderr.count(": taken for") == 3
    quiet = samsr("upscale", photos, tmp_path / "quiet", *options)
    assert "taken for" not in quiet.stderr


def test_a_model_that_is_told_nothing_has_nothing_to_tell(photos: Path, tmp_path: Path) -> None:
    weights = tmp_path / "untold.safetensors"
    save_weights(weights, build_model(TINY), "test", torch.float32)
    ran = samsr("upscale", "-v", photos / "a.png", tmp_path / "x.png", "--weights", weights)
    assert ran.exit_code == 0
    assert "taken for" not in ran.stderr


def test_what_is_dirtier_than_the_training_is_said(
    photos: Path, told: Path, tmp_path: Path
) -> None:
    options = ("--weights", told, "--clean", 95)
    _, stderr = upscale(photos / "a.png", tmp_path / "x.png", *options)
    assert "compression 0.95 is above the 0.85" in stderr
    _, stderr = upscale(photos / "a.png", tmp_path / "y.png", "--weights", told, "--clean", 85)
    assert "is above" not in stderr


def test_the_closing_line_says_what_was_done_how_long_it_took_and_where_it_is() -> None:
    def closing(naming: Naming, outcomes: list[Outcome], seconds: float) -> str:
        batch = SimpleNamespace(settings=SimpleNamespace(naming=naming))
        return closing_line(cast("BatchPlan", batch), outcomes, seconds)

    def ended(status: Any, size: tuple[int, int] | None = None) -> Outcome:
        outcome = failed(1, "")
        outcome.status, outcome.error, outcome.size_out = status, None, size
        return outcome

    folder, done = Naming(folder=Path("out")), ended("done", (500, 550))
    told = closing(folder, 4 * [done], 21.4)
    assert told == "4 pictures, 1.1 MP, in 0:21, in out/"
    told = closing(folder, [done, ended("left_out"), ended("skipped")], 3723)
    assert (
        told == "1 picture, 0.3 MP, in 1:02:03, in out/; there already: 1; left out, not growing: 1"
    )
    assert closing(folder, [ended("skipped")], 0) == "nothing to do; there already: 1"
    small = ended("done", (30, 40))
    assert closing(Naming(), [small], 75) == "1 picture, 0.0012 MP, in 1:15, in out/1.png"
