"""Evaluating: every picture by every method and seed, and going on where it was stopped."""

import contextlib
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from sam_diffsr_cli import metrics
from sam_diffsr_cli.atomic import atomic_path, make_folder
from sam_diffsr_cli.degradation.specs import Degradation
from sam_diffsr_cli.errors import ConfigError, DiskFullError, InputError, SamsrError, os_errors
from sam_diffsr_cli.evaluation.methods import Method
from sam_diffsr_cli.evaluation.perceptual import Distance
from sam_diffsr_cli.evaluation.protocols import Protocol
from sam_diffsr_cli.evaluation.sets import Case, ResultFolder, TestSet, Truth, read_pair, stamp
from sam_diffsr_cli.line_log import LineLog, whole_lines
from sam_diffsr_cli.strict import from_json, to_json

__all__ = ["EvaluationPlan", "Failure", "ImageScores", "evaluate", "plain_name", "result_path"]

RESULTS_NAME = "results.jsonl"

Key = tuple[str, str, str, int]
"""Set, picture, method and seed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationPlan:
    """What is evaluated, and how.

    Attributes:
        sets: Of true pictures.
        methods: Ways to enlarge.
        protocol: How numbers are made.
        scale: Of all of it.
        seeds: How many seeds, from 0, a method that draws runs with.
        inputs: The folder of given inputs; None makes them.
        lpips: The distance, or None.
        out: Folder for numbers and results, to go on in; None keeps nothing.
        identity: What must be the same to go on: model, protocol and the like.
        degradation: What inputs that are made suffer beside being shrunk.
    """

    sets: Sequence[TestSet]
    methods: Sequence[Method]
    protocol: Protocol
    scale: int
    seeds: int
    inputs: ResultFolder | None
    lpips: Distance | None
    out: Path | None
    identity: Mapping[str, str]
    degradation: Degradation | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageScores:
    """The numbers of one picture by one method and seed; ``values`` by measure.

    ``sources`` tells the files they were made from. ``kept`` is the size of the result's file, 0
    where none is kept.
    """

    set_name: str
    picture: str
    method: str
    seed: int
    values: Mapping[str, float]
    seconds: float
    sources: str
    kept: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """A picture that could not be measured, and why."""

    picture: Path
    method: str
    error: SamsrError


def evaluate(plan: EvaluationPlan) -> Iterator[ImageScores | Failure]:
    """Measure what is not measured yet.

    Yields:
        One record for each picture, method and seed; those measured before come first.

    Raises:
        InputError: ``plan.out`` holds numbers of another evaluation, or cannot be written.
        DiskFullError: The disk is full; the numbers before are kept.
    """
    kept = _Results(plan)
    yield from kept.done.values()
    for test_set in plan.sets:
        for truth in test_set.truths:
            yield from _measure_picture(plan, test_set, truth, kept)


def _measure_picture(
    plan: EvaluationPlan, test_set: TestSet, truth: Truth, kept: "_Results"
) -> Iterator[ImageScores | Failure]:
    case: Case | None = None
    for method in plan.methods:
        for seed in range(plan.seeds if method.is_random else 1):
            if (test_set.name, truth.picture, method.name, seed) in kept.done:
                continue
            try:
                sources = _sources(plan, truth, method)
                if case is None:
                    case = read_pair(
                        truth, plan.inputs, plan.protocol, plan.scale, plan.degradation
                    )
                began = time.perf_counter()
                sr = method.enlarge(case, truth, seed)
                seconds = time.perf_counter() - began
                values = _values(plan, sr, case)
            except DiskFullError:
                raise
            except SamsrError as error:
                yield Failure(truth.path, method.name, error)
                continue
            measured = ImageScores(
                set_name=test_set.name,
                picture=truth.picture,
                method=method.name,
                seed=seed,
                values=values,
                seconds=seconds,
                sources=sources,
            )
            yield kept.add(measured, truth, sr)


def _sources(plan: EvaluationPlan, truth: Truth, method: Method) -> str:
    """Return what tells the files of one picture: truth, given input and finished result."""
    folders = (plan.inputs, method.results)
    return stamp([truth.path, *(folder.find(truth) for folder in folders if folder is not None)])


def _values(plan: EvaluationPlan, sr: np.ndarray, case: Case) -> dict[str, float]:
    hr, shave, scale = case.hr, plan.protocol.shave, plan.scale
    values = {
        **metrics.likeness(sr, hr, shave),
        "lr_psnr": metrics.lr_psnr(sr, case.clean_lr, scale),
        "detail": metrics.detail(sr, hr, scale),
    }
    if plan.lpips is not None:
        values["lpips"] = plan.lpips(sr, hr)
    return values


def result_path(out: Path, set_name: str, method: str, truth: Truth, seed: int = 0) -> Path:
    """Return where a result is kept below the folder of an evaluation."""
    ending = "" if seed == 0 else f"-seed{seed}"
    return out / plain_name(set_name) / plain_name(f"{method}{ending}") / truth.output


def plain_name(name: str) -> str:
    """Return the name of a folder for a set or a method: without commas and spaces."""
    return name.replace(",", "").replace(" ", "-")


class _Results:
    """What is measured: in memory, and in ``plan.out`` a line a picture and the picture itself."""

    def __init__(self, plan: EvaluationPlan) -> None:
        self.plan = plan
        self.done: dict[Key, ImageScores] = {}
        if plan.out is None:
            return
        make_folder(plan.out)
        self.path = plan.out / RESULTS_NAME
        if self.path.exists():
            self._read()
        else:
            self._write_head()

    def _write_head(self) -> None:
        with atomic_path(self.path) as temporary:
            head = json.dumps({"identity": dict(self.plan.identity)}, sort_keys=True)
            temporary.write_text(head + "\n", encoding="utf-8")

    def _read(self) -> None:
        """Take over what was measured; a last line that was torn is cut off."""
        with LineLog(self.path) as log:
            log.cut_torn_line()
        try:
            head, *lines = whole_lines(self.path)
            found = [_from_line(line) for line in lines]
            identity = dict(json.loads(head)["identity"])
        except (ValueError, KeyError, TypeError, ConfigError) as error:
            raise InputError(f"{self.path}: damaged ({error})", hint="remove it") from error
        if identity != dict(self.plan.identity):
            mine = self.plan.identity
            other = [k for k in {*identity, *mine} if identity.get(k) != mine.get(k)]
            raise InputError(
                f"{self.path}: numbers of another evaluation ({', '.join(sorted(other))} differ)",
                hint="choose another --out",
            )
        by_key = {(o.set_name, o.picture, o.method, o.seed): o for o in found}
        for test_set in self.plan.sets:
            for truth in test_set.truths:
                self._take_over(test_set, truth, by_key)

    def _take_over(
        self, test_set: TestSet, truth: Truth, by_key: Mapping[Key, ImageScores]
    ) -> None:
        """Take over what was measured of the files as they are now, and is still kept."""
        assert self.plan.out is not None  # noqa: S101 - numbers are read from there
        for method in self.plan.methods:
            for seed in range(self.plan.seeds if method.is_random else 1):
                key = (test_set.name, truth.picture, method.name, seed)
                one = by_key.get(key)
                if one is None:
                    continue
                path = result_path(self.plan.out, test_set.name, method.name, truth, seed)
                with contextlib.suppress(InputError, OSError):
                    is_same = one.sources == _sources(self.plan, truth, method)
                    if is_same and path.stat().st_size == one.kept:
                        self.done[key] = one

    def add(self, measured: ImageScores, truth: Truth, sr: np.ndarray) -> ImageScores:
        """Keep the picture, then its line; return what was kept.

        Raises:
            InputError: The folder cannot be written.
            DiskFullError: The disk is full.
        """
        one = measured
        if self.plan.out is not None:
            path = result_path(self.plan.out, one.set_name, one.method, truth, one.seed)
            with os_errors(path, "cannot be written"):
                path.parent.mkdir(parents=True, exist_ok=True)
                with atomic_path(path) as temporary:
                    Image.fromarray(np.ascontiguousarray(sr)).save(temporary, format="PNG")
                one = replace(one, kept=path.stat().st_size)
            with LineLog(self.path) as log:
                log.append(_to_line(one))
        self.done[one.set_name, one.picture, one.method, one.seed] = one
        return one


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the file; a value that is not finite is null."""

    set: str
    picture: str
    method: str
    seed: int
    values: Mapping[str, float | None]
    seconds: float
    sources: str
    kept: int


def _to_line(one: ImageScores) -> bytes:
    values = {name: value if math.isfinite(value) else None for name, value in one.values.items()}
    line = _Line(
        one.set_name, one.picture, one.method, one.seed, values, one.seconds, one.sources, one.kept
    )
    return to_json(line).encode() + b"\n"


def _from_line(text: bytes) -> ImageScores:
    line = from_json(_Line, text.decode())
    return ImageScores(
        set_name=line.set,
        picture=line.picture,
        method=line.method,
        seed=line.seed,
        values={k: math.inf if v is None else v for k, v in line.values.items()},
        seconds=line.seconds,
        sources=line.sources,
        kept=line.kept,
    )
