"""Which output each picture gets, what is done already, and how much work a plan is."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sam_diffsr_cli.batch.estimate import Estimate, estimate_work
from sam_diffsr_cli.batch.plan import Job, Naming, plan_jobs
from sam_diffsr_cli.batch.sources import Source
from sam_diffsr_cli.choices import OnExists
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.pictures.formats import format_named
from sam_diffsr_cli.pictures.records import Limits
from sam_diffsr_cli.upscaling.sizes import Size
from tests.helpers import touch

pytestmark = pytest.mark.usefixtures("place")

PNG = format_named("png")


def sources(*names: str) -> list[Source]:
    """Make sources that mirror their folders below ``in``."""
    return [Source(Path("in", name), Path(name)) for name in names]


def plan(*names: str, **naming: Any) -> list[Job]:
    return plan_jobs(sources(*names), Naming(**{"folder": Path("out"), **naming}))


def targets(jobs: Sequence[Job]) -> list[str]:
    return [
        job.target.relative_to("out").as_posix() for job in jobs if isinstance(job.target, Path)
    ]


def test_outputs_keep_names_and_folders() -> None:
    assert targets(plan("a.png", "x/y/b.jpeg", "C.TIF")) == ["a.png", "x/y/b.jpeg", "C.TIF"]


def test_a_format_replaces_the_suffix() -> None:
    assert targets(plan("a.jpg", "b.tar.gif", format=PNG)) == ["a.png", "b.tar.png"]


def test_a_suffix_of_the_format_is_kept_as_it_is_spelled() -> None:
    jpeg = format_named("jpg")
    assert targets(plan("a.jpeg", "b.JPG", "c.png", format=jpeg)) == ["a.jpeg", "b.JPG", "c.jpg"]


@pytest.mark.parametrize("name", ["scan", "scan.dat", ".png"])
def test_a_name_that_does_not_say_what_it_is_becomes_a_png(name: str) -> None:
    assert targets(plan(name)) == [f"{Path(name).stem}.png"]


def test_the_added_suffix_stands_before_the_ending() -> None:
    assert targets(plan("a.b.png", "x/c", suffix="_x4")) == ["a.b_x4.png", "x/c_x4.png"]


def test_names_that_meet_in_a_new_format_keep_their_old_endings() -> None:
    names = ("a.jpg", "a.png", "b.jpg")
    assert targets(plan(*names, format=PNG)) == ["a.jpg.png", "a.png", "b.png"]


def test_old_endings_are_kept_in_any_order() -> None:
    assert targets(plan("a.png", "a.jpg", format=PNG)) == ["a.png", "a.jpg.png"]


def test_the_same_name_from_two_folders_is_numbered() -> None:
    found = [Source(Path(folder, "a.png"), Path("a.png")) for folder in ("x", "y", "z")]
    jobs = plan_jobs(found, Naming(folder=Path("out")))
    assert targets(jobs) == ["a.png", "a (2).png", "a (3).png"]


def test_numbers_pass_by_names_that_are_taken() -> None:
    found = [Source(Path("x", "a.png"), Path("a.png")), *sources("a.png", "a (2).png")]
    assert len(set(targets(plan_jobs(found, Naming(folder=Path("out")))))) == 3


def test_a_kept_ending_does_not_take_another_pictures_name() -> None:
    names = targets(plan("a.jpg.png", "a.jpg", "a.png", format=PNG))
    assert len(set(names)) == 3
    assert names[0] == "a.jpg.png"


@pytest.mark.parametrize(
    "names", [("A.png", "a.png"), ("x/a.png", "X/a.png"), ("\u00c4.png", "ä.png")]
)
def test_names_that_differ_only_in_case_do_not_meet(names: tuple[str, str]) -> None:
    first, second = targets(plan(*names))
    assert first.casefold() != second.casefold()
    assert first == names[0]


def test_names_differ_without_case_after_a_new_format_too() -> None:
    names = targets(plan("a.JPG", "A.png", "a.webp", format=PNG))
    assert len({name.casefold() for name in names}) == 3


def test_a_plan_does_not_depend_on_what_is_there() -> None:
    names = ("a.jpg", "a.png", "A.png", "b.webp")
    before = targets(plan(*names, format=PNG, on_exists="skip"))
    touch(*(f"out/{name}" for name in before[:2]))
    assert targets(plan(*names, format=PNG, on_exists="skip")) == before


def test_one_named_output_is_that_file(place: Path) -> None:
    naming = Naming(file=place / "big.webp")
    assert plan_jobs(sources("a.png"), naming) == [Job(sources("a.png")[0], place / "big.webp")]


def test_no_name_is_standard_output() -> None:
    assert plan_jobs(sources("a.png"), Naming())[0].target is None


@pytest.mark.parametrize("name", [Path("big.png"), None], ids=["file", "standard output"])
def test_several_pictures_for_one_output_are_an_error(name: Path | None) -> None:
    with pytest.raises(InputError, match="one output for 2 pictures"):
        plan_jobs(sources("a.png", "b.png"), Naming(file=name))


def test_standard_input_gets_a_name_in_a_folder() -> None:
    jobs = plan_jobs([Source(None, Path("stdin"))], Naming(folder=Path("out"), format=PNG))
    assert targets(jobs) == ["stdin.png"]


@pytest.mark.parametrize(
    ("on_exists", "target", "is_done"),
    [
        ("error", "a.png", False),
        ("overwrite", "a.png", False),
        ("skip", "a.png", True),
        ("rename", "a (2).png", False),
    ],
)
def test_an_output_that_is_there(on_exists: OnExists, target: str, is_done: bool) -> None:
    touch("in/a.png", "in/b.png", "out/a.png")
    there, other = plan("a.png", "b.png", on_exists=on_exists)
    assert (targets([there])[0], there.is_done) == (target, is_done)
    assert (targets([other])[0], other.is_done) == ("b.png", False)


def test_renaming_counts_past_what_is_there_and_what_will_be() -> None:
    touch("out/a.png", "out/a (2).png")
    assert targets(plan("a.png", "a (3).png", on_exists="rename")) == ["a (4).png", "a (3).png"]


def test_two_renamed_outputs_do_not_meet() -> None:
    touch("out/a.png", "out/b.png")
    found = [*sources("a.png"), Source(Path("other/a.png"), Path("a.png")), *sources("b.png")]
    names = targets(plan_jobs(found, Naming(folder=Path("out"), on_exists="rename")))
    assert len(set(names)) == 3
    assert not {"a.png", "b.png"} & set(names)


def test_a_link_to_nowhere_is_an_output_that_is_there() -> None:
    Path("out").mkdir()
    Path("out/a.png").symlink_to("gone.png")
    assert targets(plan("a.png", on_exists="rename")) == ["a (2).png"]


@pytest.mark.parametrize("on_exists", ["error", "overwrite", "skip"])
def test_an_output_that_is_its_own_input_is_marked_and_never_done(on_exists: OnExists) -> None:
    touch("in/a.png", "in/b.png")
    (job,) = plan_jobs(sources("a.png"), Naming(folder=Path("in"), on_exists=on_exists))
    assert (job.is_input, job.is_done) == (True, False)


@pytest.mark.parametrize("on_exists", ["error", "overwrite", "skip"])
def test_an_output_that_is_another_input_is_marked_and_never_done(on_exists: OnExists) -> None:
    touch("x/a.png", "y/a.png")
    found = [Source(Path("x/a.png"), Path("a.png")), Source(Path("y/a.png"), Path("b.png"))]
    first, second = plan_jobs(found, Naming(folder=Path("y"), on_exists=on_exists))
    assert (first.is_input, first.is_done) == (True, False)
    assert not second.is_input


def test_an_input_is_known_through_links_and_other_spellings(place: Path) -> None:
    touch("in/a.png")
    (place / "again").symlink_to("in", target_is_directory=True)
    for folder in ("again", "in/../in", str(place / "in")):
        (job,) = plan_jobs(sources("a.png"), Naming(folder=Path(folder), on_exists="overwrite"))
        assert job.is_input, folder


def test_renaming_keeps_away_from_inputs() -> None:
    touch("in/a.png")
    (job,) = plan_jobs(sources("a.png"), Naming(folder=Path("in"), on_exists="rename"))
    assert (job.target, job.is_input) == (Path("in/a (2).png"), False)


def test_an_added_suffix_keeps_outputs_away_from_inputs() -> None:
    touch("in/a.png")
    naming = Naming(folder=Path("in"), suffix="_x4", on_exists="overwrite")
    (job,) = plan_jobs(sources("a.png"), naming)
    assert (job.target, job.is_input) == (Path("in/a_x4.png"), False)


def test_a_name_that_no_disk_can_hold_is_planned_all_the_same() -> None:
    (job,) = plan("x" * 300 + ".png", on_exists="skip")
    assert (job.is_done, job.is_input) == (False, False)


def picture(name: str, size: tuple[int, int], **options: Any) -> None:
    path = Path("in", name)
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", size).save(path, **options)


def estimate(jobs: Sequence[Job], scale: float, limits: Limits) -> Estimate:
    """Estimate for a model of scale 4."""
    return estimate_work(jobs, Size(scale=scale), limits, 4)


def test_the_estimate_adds_up_what_is_to_be_done() -> None:
    picture("a.png", (200, 100))
    picture("b.png", (300, 100))
    touch("out/b.png")
    found = estimate(plan("a.png", "b.png", on_exists="skip"), 2.0, Limits())
    assert (found.pictures, found.already_there, found.unreadable) == (1, 1, 0)
    assert found.megapixels_in == pytest.approx(0.02)
    assert found.megapixels_out == pytest.approx(0.08)
    assert list(found.work) == pytest.approx([0.32, 0.0])


def test_the_estimate_counts_every_frame() -> None:
    rest = [Image.new("RGB", (100, 100), colour) for colour in ("red", "blue")]
    picture("a.gif", (100, 100), save_all=True, append_images=rest)
    assert estimate(plan("a.gif"), 1.0, Limits()).megapixels_in == pytest.approx(0.03)


def test_the_estimate_counts_what_cannot_be_read() -> None:
    picture("a.png", (100, 100))
    touch("in/bad.png")
    picture("large.png", (200, 200))
    jobs = plan("a.png", "bad.png", "gone.png", "large.png")
    found = estimate(jobs, 1.0, Limits(max_pixels=10_000))
    assert found.unreadable == 3
    assert [index for index, _ in found.problems] == [1, 2, 3]
    assert found.megapixels_in == pytest.approx(0.01)


def test_a_large_batch_is_estimated_from_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sam_diffsr_cli.batch.estimate.MOST_HEADERS", 3)
    for index in range(7):
        picture(f"{index}.png", (100, 100))
    found = estimate(plan(*(f"{index}.png" for index in range(7))), 1.0, Limits())
    assert found.is_sampled
    assert found.megapixels_in == pytest.approx(0.07)
    assert sum(found.work) == pytest.approx(16 * 0.07)


def test_an_estimate_of_nothing_is_nothing() -> None:
    touch("out/a.png")
    found = estimate(plan("a.png", on_exists="skip"), 4.0, Limits())
    assert (found.pictures, found.megapixels_out, found.work) == (0, 0.0, (0.0,))


def test_the_work_of_a_size_is_what_the_model_makes_of_each() -> None:
    picture("small.png", (100, 50))
    picture("large.png", (400, 200))
    picture("tall.png", (10, 200))
    jobs = plan("small.png", "large.png", "tall.png")
    found = estimate_work(jobs, Size(width=200, only_larger=True), Limits(), 4)
    # Twice, in one pass; not at all; 16 times in two passes, and the rest by bicubic.
    assert list(found.work) == pytest.approx([0.08, 0.0, 0.032 + 0.512])
    assert found.too_large == 1
    assert found.megapixels_out == pytest.approx(0.02 + 0.8)
    assert {index: target.size for index, target in found.targets.items()} == {
        0: (100, 200),
        1: (100, 200),
        2: (4000, 200),
    }
    shrunk = estimate_work(jobs, Size(width=200), Limits(), 4)
    assert 0 < shrunk.work[1] < 0.01


def test_standard_input_is_not_opened_for_the_estimate() -> None:
    jobs = plan_jobs([Source(None, Path("stdin"))], Naming())
    assert estimate(jobs, 4.0, Limits()).unreadable == 0


@pytest.mark.skipif(os.name == "nt", reason="needs other rights there")
def test_the_estimate_leaves_the_files_as_they_are() -> None:
    picture("a.png", (10, 10))
    before = Path("in/a.png").stat()
    estimate(plan("a.png"), 4.0, Limits())
    assert Path("in/a.png").stat().st_mtime_ns == before.st_mtime_ns
    assert not Path("out").exists()
