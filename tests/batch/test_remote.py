"""Pictures in a store: named, listed, fetched and put. The store is fsspec's own, in memory."""

import errno
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from sam_diffsr_cli.batch.plan import Naming, ResumeState, plan_jobs
from sam_diffsr_cli.batch.remote import (
    RemotePath,
    fetch,
    find_remote,
    is_remote_there,
    list_names,
    parse_place,
    put,
)
from sam_diffsr_cli.batch.sources import gather_sources
from sam_diffsr_cli.cli.app import app
from sam_diffsr_cli.errors import DiskFullError, InputError


@pytest.fixture(autouse=True)
def store() -> Iterator[Any]:
    """Give an empty store."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pseudo_dirs[:] = [""]
    yield files
    files.store.clear()


def picture(seed: int = 0) -> bytes:
    rng = np.random.default_rng(seed)
    file = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (6, 9, 3), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def fill(store: Any, *names: str) -> None:
    for seed, name in enumerate(names):
        store.pipe_file(name, picture(seed))


def names_of(found: list[tuple[RemotePath, Path]]) -> dict[str, str]:
    return {str(place): inside.as_posix() for place, inside in found}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a/b.png", Path("a/b.png")),
        ("file:///a/b.png", Path("/a/b.png")),
        ("s3://bucket/a//b.png", RemotePath("s3://bucket/a//b.png")),
        ("c:/a.png", Path("c:/a.png")),
        ("@s3://bucket/list", Path("@s3://bucket/list")),
    ],
)
def test_a_url_is_told_from_a_path(text: str, expected: object) -> None:
    assert parse_place(text) == expected


@pytest.mark.parametrize("text", ["", "s3://", "s3:///", "http://", "file://"])
def test_what_names_nothing_is_no_place(text: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"{text}: ") if text else "an empty text"):
        parse_place(text)


def test_a_place_in_a_store_is_named_as_a_path_is() -> None:
    place = RemotePath("s3://bucket/a/cat.tar.png")
    assert (place.scheme, place.name, place.stem, place.suffix) == (
        "s3",
        "cat.tar.png",
        "cat.tar",
        ".png",
    )
    assert place.with_name("dog.png") == RemotePath("s3://bucket/a/dog.png")
    assert place.parent / Path("b/c.png") == RemotePath("s3://bucket/a/b/c.png")


def test_a_folder_is_its_files_in_order_of_name(store: Any) -> None:
    fill(store, "/in/b.png", "/in/a.png", "/in/sub/c.png", "/in/.hidden.png", "/in/.h/d.png")
    place = RemotePath("memory://in")
    assert names_of(find_remote(place, recursive=False)) == {
        "memory://in/a.png": "a.png",
        "memory://in/b.png": "b.png",
    }
    assert list(names_of(find_remote(place, recursive=True)).values()) == [
        "a.png",
        "b.png",
        "sub/c.png",
    ]


def test_the_output_folder_is_not_searched(store: Any) -> None:
    fill(store, "/in/a.png", "/in/out/a.png", "/in/outer/a.png")
    found = find_remote(
        RemotePath("memory://in/"), recursive=True, leave_out=RemotePath("memory://in/out")
    )
    assert list(names_of(found)) == ["memory://in/a.png", "memory://in/outer/a.png"]


def test_a_pattern_is_what_matches_it(store: Any) -> None:
    fill(store, "/in/a1.png", "/in/a2.png", "/in/b1.png")
    found = find_remote(RemotePath("memory://in/a*.png"), recursive=False)
    assert names_of(found) == {"memory://in/a1.png": "a1.png", "memory://in/a2.png": "a2.png"}


def test_a_file_that_looks_like_a_pattern_is_that_file(store: Any) -> None:
    fill(store, "/in/a[1].png", "/in/a1.png")
    found = find_remote(RemotePath("memory://in/a[1].png"), recursive=False)
    assert list(names_of(found)) == ["memory://in/a[1].png"]


def test_a_name_that_leads_out_of_the_output_folder_is_left_out(store: Any) -> None:
    fill(store, "/in/a.png")
    store.store["/in/../../evil.png"] = store.store["/in/a.png"]
    found = find_remote(RemotePath("memory://in/"), recursive=True)
    assert list(names_of(found).values()) == ["a.png"]


def test_a_list_names_places_in_stores_without_asking_for_each(
    store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, "/in/sub/a.png")
    store.pipe_file("/lists/all.txt", b"memory://in/sub/a.png\nmemory://gone/b.png\n")
    asked: list[str] = []
    plain = type(store).info

    def watched(self: Any, path: str, **more: Any) -> Any:
        asked.append(path)
        return plain(self, path, **more)

    monkeypatch.setattr(type(store), "info", watched)
    found = gather_sources(["@memory://lists/all.txt"], recursive=False, leave_out=tmp_path)
    assert [(source.name, source.inside.as_posix()) for source in found] == [
        ("memory://in/sub/a.png", "a.png"),
        ("memory://gone/b.png", "b.png"),
    ]
    assert not [path for path in asked if path.endswith(".png")]


def test_what_is_put_is_what_is_fetched(store: Any, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"whole")
    put(tmp_path / "a", RemotePath("memory://out/sub/a.png"))
    assert store.cat_file("/out/sub/a.png") == b"whole"
    with fetch(RemotePath("memory://out/sub/a.png")) as path:
        assert path.read_bytes() == b"whole"
    assert not path.exists()


def test_a_store_that_shows_files_as_they_grow_gets_them_by_another_name(
    store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sam_diffsr_cli.batch.remote.OBJECT_STORES", frozenset())
    (tmp_path / "a").write_bytes(b"whole")
    seen: list[str] = []
    plain = type(store).put_file

    def watched(self: Any, path: str, name: str, **more: Any) -> None:
        seen.append(name)
        plain(self, path, name, **more)

    monkeypatch.setattr(type(store), "put_file", watched)
    put(tmp_path / "a", RemotePath("memory://out/a.png"))
    assert len(seen) == 1
    assert seen[0].rpartition("/")[2].startswith(".samsr-")
    assert store.find("/") == ["/out/a.png"]


def test_a_put_that_fails_leaves_what_was_there(
    store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.pipe_file("/out/a.png", b"old")
    monkeypatch.setattr("sam_diffsr_cli.batch.remote.OBJECT_STORES", frozenset())

    def half(self: Any, _path: str, name: str, **_: Any) -> None:
        self.pipe_file(name, b"ha")
        raise ConnectionResetError("the wire was cut")

    monkeypatch.setattr(type(store), "put_file", half)
    (tmp_path / "a").write_bytes(b"whole")
    with pytest.raises(InputError, match=r"memory://out/a\.png: cannot be written \(the wire"):
        put(tmp_path / "a", RemotePath("memory://out/a.png"))
    assert {name: store.cat_file(name) for name in store.find("/")} == {"/out/a.png": b"old"}


@pytest.mark.parametrize(
    ("place", "words", "hint"),
    [
        ("memory://in/gone.png", "memory://in/gone.png: not found", None),
        ("zz://in/a.png", "zz:// is not a known kind of store", None),
    ],
)
def test_what_cannot_be_fetched_is_named(place: str, words: str, hint: str | None) -> None:
    with pytest.raises(InputError, match=words) as caught, fetch(RemotePath(place)):
        pass
    assert caught.value.hint == hint


def test_a_store_whose_package_is_missing_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(InputError, match="gs:// needs another package") as caught:
        is_remote_there(RemotePath("gs://bucket/a.png"))
    assert caught.value.hint == "pip install gcsfs"


def test_a_full_disk_is_told_from_a_store_in_trouble(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(type(store), "get_file", full)
    with pytest.raises(DiskFullError), fetch(RemotePath("memory://in/a.png")):
        pass


def test_a_folder_that_is_not_there_holds_nothing() -> None:
    assert list_names(RemotePath("memory://nothing/")) == frozenset()


def test_a_plan_knows_what_a_store_has(store: Any) -> None:
    fill(store, "/in/a.png", "/in/b.png", "/out/b.png")
    sources = gather_sources(["memory://in/"], recursive=False, leave_out=None)
    folder = RemotePath("memory://out/")
    jobs = plan_jobs(sources, Naming(folder=folder, on_exists="skip"))
    assert [job.is_done for job in jobs] == [False, True]
    jobs = plan_jobs(sources, Naming(folder=folder, on_exists="rename"))
    assert [str(job.target) for job in jobs] == ["memory://out/a.png", "memory://out/b (2).png"]
    resume = ResumeState(targets={"memory://in/b.png": "memory://out/b.png"})
    jobs = plan_jobs(sources, Naming(folder=folder), resume)
    assert [job.is_own for job in jobs] == [False, True]


def upscale(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["upscale", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_from_a_store_and_to_it_as_from_a_disk_and_to_it(
    store: Any, weights: Path, tmp_path: Path
) -> None:
    fill(store, "/in/a.png", "/in/sub/b.png")
    for name in ("a.png", "sub/b.png"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(store.cat_file(f"/in/{name}"))
    options = ("-r", "--weights", weights)
    assert upscale(tmp_path / "in", tmp_path / "out", *options)[0] == 0
    code, stdout, stderr = upscale("memory://in", "memory://out", *options)
    assert code == 0, stderr
    assert stdout.split() == ["memory://out/a.png", "memory://out/sub/b.png"]
    for name in ("a.png", "sub/b.png"):
        assert store.cat_file(f"/out/{name}") == (tmp_path / "out" / name).read_bytes()


def test_times_that_a_store_does_not_keep_are_told(
    store: Any, weights: Path, tmp_path: Path
) -> None:
    fill(store, "/in/a.png")
    (tmp_path / "b.png").write_bytes(picture(1))
    options = ("--weights", weights, "--preserve-times")
    for place in ("memory://in/a.png", tmp_path / "b.png"):
        code, _, stderr = upscale(place, "memory://out/", *options)
        assert code == 0
        assert "its times were not kept: only files on disk have any" in " ".join(stderr.split())
    code, _, stderr = upscale("memory://in/a.png", tmp_path / "out/", *options)
    assert code == 0
    assert "its times are not known, and were not kept" in " ".join(stderr.split())


def test_an_input_in_a_store_is_never_overwritten(store: Any, weights: Path) -> None:
    fill(store, "/in/a.png")
    code, _, stderr = upscale(
        "memory://in/a.png", "memory://in/", "--weights", weights, "--on-exists", "overwrite"
    )
    assert code == 3
    assert "is the input itself" in stderr
    assert store.cat_file("/in/a.png") == picture(0)


def test_an_output_in_a_store_is_not_overwritten_unless_asked_for(
    store: Any, weights: Path
) -> None:
    fill(store, "/in/a.png")
    store.pipe_file("/out/a.png", b"old")
    code, _, stderr = upscale("memory://in/a.png", "memory://out/", "--weights", weights)
    assert code == 3
    assert "memory://out/a.png: exists already" in stderr
    assert store.cat_file("/out/a.png") == b"old"


def test_one_picture_of_a_store_that_is_none_does_not_end_the_batch(
    store: Any, weights: Path
) -> None:
    fill(store, "/in/a.png", "/in/b.png")
    store.pipe_file("/in/broken.png", b"no picture")
    code, stdout, stderr = upscale("memory://in/", "memory://out/", "--weights", weights)
    assert code == 6
    assert "memory://in/broken.png: not a picture" in stderr
    assert len(stdout.split()) == 2
