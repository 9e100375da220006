"""The manifest of a batch: what it keeps, what it trusts, and a run that goes on with it."""

import io
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from sam_diffsr_cli.batch.manifest import Manifest, read_resume_state
from sam_diffsr_cli.batch.options import BatchOptions
from sam_diffsr_cli.batch.pipeline import Outcome
from sam_diffsr_cli.batch.plan import Job, ResumeState
from sam_diffsr_cli.batch.request import plan_batch
from sam_diffsr_cli.batch.run import run
from sam_diffsr_cli.batch.sources import Source
from sam_diffsr_cli.cli.app import app
from sam_diffsr_cli.errors import DiskFullError, InputError
from sam_diffsr_cli.sampling_config import SamplingOptions

MADE_BY = {"model": "tiny", "scale": 4.0, "device": "cpu"}


def job(name: str, **more: Any) -> Job:
    return Job(Source(Path("in") / name, Path(name)), Path("out") / name, **more)


def write(path: Path, *done: str, plan: tuple[str, ...] = ("a.png", "b.png")) -> None:
    with Manifest(path, MADE_BY) as manifest:
        manifest.add_plan([job(name) for name in plan], read_resume_state(path))
        for name in done:
            manifest.add(Outcome(job(name)))


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    write(tmp_path / "m", "b.png")
    assert read_resume_state(tmp_path / "m") == ResumeState(
        targets={"in/a.png": "out/a.png", "in/b.png": "out/b.png"}, done=frozenset({"in/b.png"})
    )


def test_nothing_is_the_past_of_no_file(tmp_path: Path) -> None:
    assert read_resume_state(tmp_path / "m") == ResumeState()


def test_what_was_there_before_the_batch_is_not_its_own(tmp_path: Path) -> None:
    with Manifest(tmp_path / "m", MADE_BY) as manifest:
        manifest.add_plan([job("a.png", is_occupied=True), job("b.png")], ResumeState())
    assert read_resume_state(tmp_path / "m").targets == {"in/b.png": "out/b.png"}


def test_a_failure_is_kept_and_not_taken_for_done(tmp_path: Path) -> None:
    outcome = Outcome(job("a.png"))
    outcome.fail(InputError("damaged"))
    with Manifest(tmp_path / "m", MADE_BY) as manifest:
        manifest.add_plan([job("a.png")], ResumeState())
        manifest.add(outcome)
    assert read_resume_state(tmp_path / "m").done == frozenset()
    assert json.loads((tmp_path / "m").read_text().splitlines()[-1])["error"] == "damaged"


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_a_line_that_was_cut_off_is_left_out_and_written_over(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "m"
    write(path, "a.png", "b.png")
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    assert read_resume_state(path).done == {"in/a.png"}
    write(path, "b.png")
    assert read_resume_state(path).done == {"in/a.png", "in/b.png"}
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_a_first_line_that_was_cut_off_is_no_past(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_text('{"samsr-mani')
    assert read_resume_state(path) == ResumeState()
    write(path, "a.png")
    assert read_resume_state(path).done == {"in/a.png"}


@pytest.mark.parametrize(
    "text",
    [
        "no manifest\n",
        "{}\n",
        "[1]\n",
        '{"samsr-manifest": 9}\n',
        '{"samsr-manifest": 1}\n',
        '{"samsr-manifest": 1, "made_by": {}, "more": 1}\n',
        '{"samsr-manifest": "1", "made_by": {}}\n',
        "\n",
    ],
)
def test_another_file_is_refused_and_left_as_it_is(text: str, tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_text(text)
    with pytest.raises(InputError, match="manifest"):
        read_resume_state(path)
    assert path.read_text() == text


@pytest.mark.parametrize(
    "line",
    [
        '{"source": "a"}',
        '{"source": 1, "target": "b"}',
        '{"source": "a", "target": "b", "more": 0}',
        '{"source": "a", "status": "half", "worker": null, "seconds": 0.0}',
        '{"source": "a", "status": "done", "worker": "0", "seconds": 0.0}',
        "[]",
        "7",
    ],
)
def test_a_line_of_another_shape_is_refused(line: str, tmp_path: Path) -> None:
    write(tmp_path / "m", "a.png")
    with (tmp_path / "m").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(InputError, match="line 5 is not one of a manifest"):
        read_resume_state(tmp_path / "m")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"\xff\xfe\n")
    with pytest.raises(InputError, match="not UTF-8"):
        read_resume_state(tmp_path / "m")


def test_a_folder_is_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a file"):
        read_resume_state(tmp_path)
    with pytest.raises(InputError, match="not a file"):
        Manifest(tmp_path, MADE_BY)


def test_a_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        Manifest(tmp_path / "gone" / "m", MADE_BY)


def test_two_runs_do_not_share_one(tmp_path: Path) -> None:
    with (
        Manifest(tmp_path / "m", MADE_BY),
        pytest.raises(InputError, match="another run is at work"),
    ):
        Manifest(tmp_path / "m", MADE_BY)


def test_a_run_with_other_settings_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "m", "a.png")
    with pytest.raises(InputError, match=r"its run had scale 4\.0, this one has 2\.0"):
        Manifest(tmp_path / "m", MADE_BY | {"scale": 2.0})
    with pytest.raises(InputError, match="its run had strip metadata none, this one has on"):
        Manifest(tmp_path / "m", MADE_BY | {"strip_metadata": True})
    Manifest(tmp_path / "m", MADE_BY | {"device": "cuda"}).__exit__(None, None, None)


def test_names_that_are_no_text_are_kept(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff.png")
    write(tmp_path / "m", name, plan=(name,))
    assert read_resume_state(tmp_path / "m").targets == {f"in/{name}": f"out/{name}"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with Manifest(tmp_path / "m", MADE_BY) as manifest, io.FileIO("/dev/full", "w") as full:
        kept, manifest._log._file = manifest._log._file, full
        with pytest.raises(DiskFullError, match="no space left"):
            manifest.add(Outcome(job("a.png")))
        manifest._log._file = kept


# ------------------------------------------------------------------------------ through the command


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed, name in enumerate(("a.png", "b.png", "c.png")):
        rng = np.random.default_rng(seed)
        Image.fromarray(rng.integers(0, 256, (6, 9, 3), dtype=np.uint8)).save(folder / name)
    return folder


def upscale(*arguments: object) -> tuple[int, list[str], str]:
    result = CliRunner().invoke(app, ["upscale", *map(str, arguments)])
    return result.exit_code, result.stdout.split(), " ".join(result.stderr.split())


def forget_last(path: Path, count: int) -> None:
    """Make a manifest what it was ``count`` outcomes earlier."""
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-count]))


def test_a_run_goes_on_where_its_manifest_ends(photos: Path, weights: Path, tmp_path: Path) -> None:
    out, kept = tmp_path / "out", tmp_path / "m"
    options = (photos, out, "--weights", weights, "--manifest", kept)
    assert upscale(*options)[0] == 0
    whole = {path.name: path.read_bytes() for path in out.iterdir()}
    # Killed after b.png was written and before that was noted; c.png was not reached.
    forget_last(kept, 2)
    (out / "c.png").unlink()
    (out / "b.png").write_bytes(b"ours")
    (out / "a.png").write_bytes(b"finished")
    code, told, errors = upscale(*options)
    assert code == 0, errors
    assert [Path(name).name for name in told] == ["b.png", "c.png"]
    assert "1 are there already" in errors
    assert (out / "a.png").read_bytes() == b"finished"
    assert (out / "b.png").read_bytes() == whole["b.png"]
    assert (out / "c.png").read_bytes() == whole["c.png"]


def test_what_is_finished_and_gone_is_done_again(
    photos: Path, weights: Path, tmp_path: Path
) -> None:
    out, kept = tmp_path / "out", tmp_path / "m"
    options = (photos, out, "--weights", weights, "--manifest", kept)
    upscale(*options)
    (out / "b.png").unlink()
    assert upscale(*options)[1] == [str(out / "b.png")]


def test_a_file_that_is_not_the_batchs_own_is_not_written_over(
    photos: Path, weights: Path, tmp_path: Path
) -> None:
    out, kept = tmp_path / "out", tmp_path / "m"
    out.mkdir()
    (out / "b.png").write_bytes(b"somebody's")
    options = (photos, out, "--weights", weights, "--manifest", kept)
    for _ in range(2):
        code, _, errors = upscale(*options)
        assert code == 6
        assert "b.png: exists already" in errors
        assert (out / "b.png").read_bytes() == b"somebody's"


def test_another_out_or_suffix_is_refused(photos: Path, weights: Path, tmp_path: Path) -> None:
    options = ("--weights", weights, "--manifest", tmp_path / "m")
    assert upscale(photos, tmp_path / "out", *options)[0] == 0
    code, told, errors = upscale(photos, tmp_path / "other", *options)
    assert (code, told) == (3, [])
    assert f"a.png: the run of the manifest wrote it to {tmp_path / 'out' / 'a.png'}" in errors
    code, told, errors = upscale(photos, tmp_path / "out", "--suffix", "_q", *options)
    assert (code, told) == (3, [])
    assert "its run had suffix none, this one has _q" in errors
    assert not (tmp_path / "other").exists()
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_out_may_be_named_another_way(
    photos: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = (photos, "--weights", weights, "--manifest", tmp_path / "m")
    assert upscale(*options, tmp_path / "out")[0] == 0
    monkeypatch.chdir(tmp_path)
    assert upscale(*options, "out/")[:2] == (0, [])


def test_renamed_outputs_keep_their_names(photos: Path, weights: Path, tmp_path: Path) -> None:
    out, kept = tmp_path / "out", tmp_path / "m"
    out.mkdir()
    (out / "b.png").write_bytes(b"somebody's")
    options = (photos, out, "--weights", weights, "--manifest", kept, "--on-exists", "rename")
    assert upscale(*options)[0] == 0
    before = sorted(path.name for path in out.iterdir())
    assert before == ["a.png", "b (2).png", "b.png", "c.png"]
    assert upscale(*options)[1] == []
    assert sorted(path.name for path in out.iterdir()) == before


def test_an_output_that_was_renamed_as_it_was_written_keeps_that_name(tmp_path: Path) -> None:
    """Its name was free when the run was planned, and taken when it was written."""
    kept, renamed = tmp_path / "m", Outcome(job("a.png"), is_renamed=True)
    renamed.job = replace(renamed.job, target=Path("out") / "a (2).png")
    with Manifest(kept, MADE_BY) as manifest:
        manifest.add_plan([job("a.png"), job("b.png")], ResumeState())
        manifest.add(renamed)
    assert read_resume_state(kept) == ResumeState(
        targets={"in/a.png": str(Path("out") / "a (2).png"), "in/b.png": "out/b.png"},
        done=frozenset({"in/a.png"}),
    )


def test_a_run_goes_on_with_a_name_that_was_found_as_it_was_written(
    photos: Path, weights: Path, tmp_path: Path
) -> None:
    out, kept = tmp_path / "out", tmp_path / "m"
    options = BatchOptions(
        model=weights,
        on_exists="rename",
        manifest=kept,
        device="cpu",
        sampling=SamplingOptions(steps=0, tile=0),
    )
    batch = plan_batch([str(photos)], str(out), options)
    out.mkdir()
    (out / "b.png").write_bytes(b"somebody's")
    names = [str(each.job.target) for each in run(batch)]
    assert names == [str(out / name) for name in ("a.png", "b (2).png", "c.png")]
    again = plan_batch([str(photos)], str(out), options)
    assert [(str(job.target), job.is_done) for job in again.jobs] == [(n, True) for n in names]
    assert (out / "b.png").read_bytes() == b"somebody's"


def test_other_settings_are_refused_before_any_work(
    photos: Path, weights: Path, tmp_path: Path
) -> None:
    out, kept = tmp_path / "out", tmp_path / "m"
    options = (photos, out, "--weights", weights, "--manifest", kept)
    upscale(*options)
    code, _, errors = upscale(*options, "--scale", 2)
    assert code == 3
    assert "its run had scale 4.0, this one has 2.0" in errors


def test_a_plan_alone_writes_no_manifest(photos: Path, weights: Path, tmp_path: Path) -> None:
    kept = tmp_path / "m"
    options = (photos, tmp_path / "out", "--weights", weights, "--manifest", kept, "--dry-run")
    assert upscale(*options)[0] == 0
    assert not kept.exists()


def test_standard_output_has_no_manifest(photos: Path, weights: Path, tmp_path: Path) -> None:
    code, _, errors = upscale(
        photos / "a.png", "-", "--weights", weights, "--manifest", tmp_path / "m"
    )
    assert code == 3
    assert "--manifest keeps what is in files" in errors
