"""Two runs in one folder: none replaces what the other wrote, whatever is to become of names."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sam_diffsr_cli.atomic import atomic_path, claim_name
from sam_diffsr_cli.batch.outputs import open_output
from sam_diffsr_cli.batch.plan import Job
from sam_diffsr_cli.batch.sources import Source
from sam_diffsr_cli.errors import ExistsError
from tests.helpers import PATIENCE_S, TINIER, write_weights

COUNT = 200
POLICIES = ("error", "skip", "rename", "overwrite")
SEEDS = ("1", "2")

RUN = """
import json, sys, time
from pathlib import Path

from sam_diffsr_cli.batch.options import BatchOptions
from sam_diffsr_cli.batch.report import failure_of
from sam_diffsr_cli.batch.request import plan_batch
from sam_diffsr_cli.batch.run import run
from sam_diffsr_cli.sampling_config import SamplingOptions

folder, seed = Path(sys.argv[1]), sys.argv[2]
for policy in sys.argv[3:]:
    options = BatchOptions(
        sampling=SamplingOptions(steps=0, seed=int(seed), tile=0),
        on_exists=policy,
        model=folder / "weights.safetensors",
        device="cpu",
        precision="fp32",
    )
    batch = plan_batch([str(folder / "photos")], str(folder / policy), options)
    # Both have planned before either has written.
    (folder / f"ready-{policy}-{seed}").touch()
    while len(list(folder.glob(f"ready-{policy}-*"))) < 2:
        time.sleep(0.01)
    outcomes, pace = [], [folder / f"pace-{policy}-{each}" for each in "12"]
    mine, other = pace if seed == "1" else reversed(pace)
    for outcome in run(batch):
        outcomes.append(outcome)
        with mine.open("a") as file:
            file.write(".")
        # Side by side, however busy the machine is, so that they meet at every name.
        while len(outcomes) > (other.stat().st_size if other.exists() else 0) + 1:
            time.sleep(0.001)
    failure = failure_of(outcomes, len(batch.jobs))
    told = {
        "code": 0 if failure is None else failure.exit_code,
        "done": [str(each.job.target) for each in outcomes if each.status == "done"],
        "skipped": sum(each.status == "skipped" for each in outcomes),
        "errors": [str(each.error) for each in outcomes if each.status == "failed"],
    }
    (folder / f"told-{policy}-{seed}.json").write_text(json.dumps(told))
"""


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Let two processes do the same pictures with each policy, and other seeds."""
    folder = tmp_path_factory.mktemp("race")
    (folder / "photos").mkdir()
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        pixels = rng.integers(0, 256, (2, 3, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{number:03}.png")
    write_weights(folder / "weights.safetensors", TINIER)
    environ = os.environ | {"OMP_NUM_THREADS": "1"}
    runs = [
        subprocess.Popen(  # noqa: S603 - our own code
            [sys.executable, "-c", RUN, str(folder), seed, *POLICIES], env=environ
        )
        for seed in SEEDS
    ]
    try:
        assert [run.wait(4 * PATIENCE_S) for run in runs] == [0, 0]
    finally:
        for run in runs:
            run.kill()
    return folder


def told_by(folder: Path, policy: str) -> dict[str, dict[str, Any]]:
    return {s: json.loads((folder / f"told-{policy}-{s}.json").read_text()) for s in SEEDS}


def seed_of(path: str) -> str:
    """Read back which run wrote a file."""
    with Image.open(path) as image:
        xmp = str(image.info["XML:com.adobe.xmp"])
    _, _, rest = xmp.replace("&quot;", '"').partition('"seed":')
    return rest.partition(",")[0]


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["error", "skip", "rename"])
def test_each_file_is_still_that_of_the_run_that_says_it_wrote_it(raced: Path, policy: str) -> None:
    told = told_by(raced, policy)
    for seed, each in told.items():
        assert {seed_of(path) for path in each["done"]} == {seed}
    both = [path for each in told.values() for path in each["done"]]
    assert len(both) == len(set(both))
    assert set(both) == {str(path) for path in (raced / policy).iterdir()}
    assert len(both) == (2 * COUNT if policy == "rename" else COUNT)
    # It was a race: each run was first at some names.
    assert min(len(each["done"]) for each in told.values()) > 0


@pytest.mark.slow
def test_the_exit_codes_say_what_came_of_each_run(raced: Path) -> None:
    for policy in POLICIES:
        for told in told_by(raced, policy).values():
            failed = len(told["errors"])
            assert len(told["done"]) + told["skipped"] + failed == COUNT
            if policy == "error":
                assert told["code"] == (6 if failed else 0)
                assert all(text.endswith("exists already") for text in told["errors"])
            else:
                assert (told["code"], failed) == (0, 0)
                assert (told["skipped"] > 0) <= (policy == "skip")
    codes = [each["code"] for each in told_by(raced, "error").values()]
    assert 6 in codes


@pytest.mark.slow
def test_overwriting_leaves_whole_files_of_either(raced: Path) -> None:
    files = sorted((raced / "overwrite").iterdir())
    assert [path.name for path in files] == [f"{number:03}.png" for number in range(COUNT)]
    assert {seed_of(str(path)) for path in files} <= set(SEEDS)


def job(target: Path, **more: Any) -> Job:
    return Job(Source(Path("in.png"), Path("in.png")), target, **more)


def write(path: Path, text: str = "mine", **more: Any) -> Path:
    with open_output(job(path), **more) as output:
        output.path.write_text(text)
        # Another run comes first.
        if not path.exists():
            path.write_text("theirs")
    return Path(str(output.target))


def test_what_comes_to_be_there_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    for policy in ("error", "skip"):
        with pytest.raises(ExistsError, match="exists already"):
            write(path, on_exists=policy)
    assert path.read_text() == "theirs"
    assert write(path, on_exists="rename") == tmp_path / "a (2).png"
    assert write(tmp_path / "a (2).png", on_exists="rename") == tmp_path / "a (3).png"
    assert (tmp_path / "a (2).png").read_text() == "mine"
    assert write(path, on_exists="overwrite") == path
    assert path.read_text() == "mine"
    assert {each.name for each in tmp_path.iterdir()} == {"a.png", "a (2).png", "a (3).png"}


def test_what_an_earlier_run_of_the_batch_began_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_text("begun")
    with open_output(job(path, is_own=True), "error") as output:
        output.path.write_text("whole")
    assert path.read_text() == "whole"


def test_a_disk_without_links_still_lets_one_alone_have_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    path = tmp_path / "a.png"
    with atomic_path(path, claim_name) as temporary:
        temporary.write_text("first")
    with pytest.raises(ExistsError), atomic_path(path, claim_name) as temporary:
        temporary.write_text("second")
    assert path.read_text() == "first"
    assert [each.name for each in tmp_path.iterdir()] == ["a.png"]
