"""From the numbers of pictures to those of sets, and both as a document, CSV, Markdown."""

import csv
import io
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sam_diffsr_cli.evaluation.run import ImageScores
from sam_diffsr_cli.measures import METRICS

__all__ = [
    "Summary",
    "summarize",
    "title_of",
    "to_csv",
    "to_document",
    "to_markdown",
    "write_value",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """Means of a set by one method.

    ``errors`` are standard errors over the seeds, for measures of more than one. ``seconds`` is the
    mean a picture; that of a finished result is the time to read it.
    """

    set_name: str
    method: str
    pictures: int
    seeds: int
    means: Mapping[str, float]
    errors: Mapping[str, float]
    seconds: float


def summarize(measured: Sequence[ImageScores]) -> list[Summary]:
    """Average over the pictures of each set and method, in the order in which they came.

    Methods of a set are averaged over the same pictures: those that all of them have, with all
    their seeds.
    """
    groups: dict[tuple[str, str], list[ImageScores]] = {}
    for one in measured:
        groups.setdefault((one.set_name, one.method), []).append(one)
    shared: dict[str, set[str]] = {}
    for (set_name, _), group in groups.items():
        whole = _whole_pictures(group)
        shared[set_name] = shared.get(set_name, whole) & whole
    return [
        _summary(*key, [one for one in group if one.picture in shared[key[0]]])
        for key, group in groups.items()
        if shared[key[0]]
    ]


def _whole_pictures(group: Sequence[ImageScores]) -> set[str]:
    """Return the pictures that were measured with every seed of the group."""
    seeds = {one.seed for one in group}
    found: dict[str, set[int]] = {}
    for one in group:
        found.setdefault(one.picture, set()).add(one.seed)
    return {picture for picture, own in found.items() if own == seeds}


def _summary(set_name: str, method: str, group: Sequence[ImageScores]) -> Summary:
    seeds = sorted({one.seed for one in group})
    means, errors = {}, {}
    for name in METRICS:
        by_seed = [
            statistics.fmean(values)
            for seed in seeds
            if (values := [o.values[name] for o in group if o.seed == seed and name in o.values])
        ]
        if not by_seed:
            continue
        means[name] = statistics.fmean(by_seed)
        if len(by_seed) > 1 and all(map(math.isfinite, by_seed)):
            errors[name] = statistics.stdev(by_seed) / math.sqrt(len(by_seed))
    return Summary(
        set_name=set_name,
        method=method,
        pictures=len({one.picture for one in group}),
        seeds=len(seeds),
        means=means,
        errors=errors,
        seconds=statistics.fmean(one.seconds for one in group),
    )


def title_of(rows: Sequence[Summary]) -> str:
    """Name a set and say how many pictures its means are over."""
    count = rows[0].pictures
    return f"{rows[0].set_name} ({count} {'picture' if count == 1 else 'pictures'})"


def to_document(
    facts: Mapping[str, str], measured: Sequence[ImageScores], failed: Sequence[str]
) -> dict[str, Any]:
    """Describe everything for a JSON document; what is not finite is null."""
    return {
        "facts": dict(facts),
        "means": [
            {
                "set": one.set_name,
                "method": one.method,
                "pictures": one.pictures,
                "seeds": one.seeds,
                "values": _finite(one.means),
                "standard_errors": _finite(one.errors),
                "seconds": one.seconds,
            }
            for one in summarize(measured)
        ],
        "pictures": [
            {
                "set": one.set_name,
                "picture": one.picture,
                "method": one.method,
                "seed": one.seed,
                "values": _finite(one.values),
                "seconds": one.seconds,
            }
            for one in measured
        ],
        "failed": list(failed),
    }


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def to_csv(facts: Mapping[str, str], measured: Sequence[ImageScores]) -> str:
    """Write a row a picture, the facts in comments above."""
    buffer = io.StringIO()
    for name, value in facts.items():
        buffer.write(f"# {name}: {value}\n")
    rows = csv.writer(buffer, lineterminator="\n")
    rows.writerow(["set", "picture", "method", "seed", *METRICS, "seconds"])
    for one in measured:
        values: list[Any] = [one.values.get(name, "") for name in METRICS]
        rows.writerow([one.set_name, one.picture, one.method, one.seed, *values, one.seconds])
    return buffer.getvalue()


def to_markdown(facts: Mapping[str, str], measured: Sequence[ImageScores]) -> str:
    """Write a table a set, a row a method, and the facts below."""
    summaries = summarize(measured)
    parts = []
    for set_name in dict.fromkeys(one.set_name for one in summaries):
        rows = [one for one in summaries if one.set_name == set_name]
        names = [name for name in METRICS if any(name in one.means for one in rows)]
        titles = " | ".join(METRICS[name].name for name in names)
        lines = [f"| {title_of(rows)} | {titles} |", "|---|" + "---|" * len(names)]
        for one in rows:
            values = " | ".join(write_value(one, name) for name in names)
            lines.append(f"| {one.method} | {values} |")
        parts.append("\n".join(lines))
    parts.append("; ".join(f"{name}: {value}" for name, value in facts.items()) + ".")
    return "\n\n".join(parts) + "\n"


def write_value(summary: Summary, name: str) -> str:
    """Write a mean, and its standard error when there is one."""
    if name not in summary.means:
        return ""
    digits = METRICS[name].digits
    text = f"{summary.means[name]:.{digits}f}"
    error = summary.errors.get(name)
    return text if error is None else f"{text} ± {error:.{digits}f}"
