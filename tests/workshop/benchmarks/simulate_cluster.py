"""How long a million pictures take on 8 to 512 GPUs, and what bounds it: a simulation.

    python -m tests.workshop.benchmarks.simulate_cluster
    python -m tests.workshop.benchmarks.simulate_cluster --format jpg --gpus 8,64 --storage-gb-s 40
    python -m tests.workshop.benchmarks.simulate_cluster --workers-per-gpu 6 --json sizing.json

Every picture is simulated, none is extrapolated: ``tests.workshop.benchmarks.cluster`` says how,
and ``--help`` where each number comes from. The rate of the GPU is one of them that is assumed.

Efficiency is against as many GPUs as fast as one of them by itself in the middle of its run, with
the same storage, and without deaths, slow workers, planning and start. Busy is the share of the
time since the workers were ready, on average; what is busiest is named. Readers and writers are the
threads of a worker beside the one that enlarges; cores are all processors of a GPU's workers.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from tests.workshop.benchmarks.assumptions import ENCODINGS, Cluster
from tests.workshop.benchmarks.cluster import Run, draw_sizes, simulate

GPUS = (8, 16, 32, 64, 128, 256, 512)
ALONE_COUNT = 2000
"""Pictures with which a GPU is timed by itself."""

ASSUMED = "the GPU's speed is assumed, not measured"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What so many GPUs come to; ``hours`` are all, those before the first dispatch included."""

    gpus: int
    hours: float
    planning_s: float
    images_per_s: float
    efficiency: float
    busy: dict[str, float]
    bottleneck: str
    deaths: int
    failed: int
    written_twice: int


def rate_alone(cluster: Cluster) -> float:
    """Return the pictures a second of one GPU by itself."""
    one = replace(cluster, gpus=1, deaths_per_hour=0.0, slow_share=0.0)
    return simulate(one, draw_sizes(one, ALONE_COUNT)).steady_rate()


def planning_s(cluster: Cluster, count: int) -> float:
    """Return the seconds of the driver before it starts workers."""
    return count * (cluster.plan_s + cluster.plan_requests * cluster.latency_ms / 1e3)


def row_of(cluster: Cluster, run: Run, alone: float) -> Row:
    """Sum a run up."""
    count = len(run.ends)
    before_s = planning_s(cluster, count)
    total_s = before_s + run.makespan_s
    return Row(
        gpus=cluster.gpus,
        hours=total_s / 3600,
        planning_s=before_s,
        images_per_s=count / total_s,
        efficiency=count / total_s / (cluster.gpus * alone),
        busy=run.busy,
        bottleneck=run.bottleneck,
        deaths=run.deaths,
        failed=run.failed,
        written_twice=run.written + run.failed - count,
    )


def table_of(rows: Sequence[Row]) -> Iterator[str]:
    """Print rows as Markdown."""
    names = list(rows[0].busy)
    yield f"| GPUs | hours | planning h | images/s | efficiency | {' | '.join(names)} | bound by |"
    yield "|---" * (6 + len(names)) + "|"
    for row in rows:
        busy = " | ".join(f"{100 * row.busy[name]:.0f} %" for name in names)
        yield (
            f"| {row.gpus} | {row.hours:.2f} | {row.planning_s / 3600:.2f} | "
            f"{row.images_per_s:.1f} | {100 * row.efficiency:.0f} % | {busy} | {row.bottleneck} |"
        )


def parse(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, Cluster]:
    """Read the options; those of the cluster are its fields, with where each comes from."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    numbers = ",".join(map(str, GPUS))
    parser.add_argument("--pictures", type=int, default=1_000_000, help="how many")
    parser.add_argument("--gpus", default=numbers, help=f"numbers of GPUs (default: {numbers})")
    parser.add_argument("--format", choices=sorted(ENCODINGS), default="png", help="of the outputs")
    parser.add_argument("--json", type=Path, help="also write the rows and options here")
    for each in fields(Cluster):
        if each.name != "gpus":
            what, origin = each.metadata["what"], each.metadata["origin"]
            default = "by --format" if each.name in {"encode_s", "output_mb"} else each.default
            parser.add_argument(
                f"--{each.name.replace('_', '-')}",
                type=type(each.default),
                help=f"{what} (default: {default}; {origin})",
            )
    options = parser.parse_args(arguments)
    encode_s, output_mb = ENCODINGS[options.format]
    given = {each.name: getattr(options, each.name) for each in fields(Cluster)}
    del given["gpus"]
    changes = {name: value for name, value in given.items() if value is not None}
    return options, replace(Cluster(encode_s=encode_s, output_mb=output_mb), **changes)


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate each number of GPUs; return the exit code."""
    options, cluster = parse(arguments)
    began = time.process_time()
    sizes, alone = draw_sizes(cluster, options.pictures), rate_alone(cluster)
    rows = []
    for gpus in map(int, options.gpus.split(",")):
        larger = replace(cluster, gpus=gpus)
        rows.append(row_of(larger, simulate(larger, sizes), alone))
    sys.stdout.write("\n".join(table_of(rows)) + "\n")
    note = f"{options.pictures} pictures as {options.format}; {ASSUMED}: --gpu-speed"
    sys.stderr.write(f"{note}; simulated in {time.process_time() - began:.0f} s\n")
    if options.json is not None:
        document = {
            "note": ASSUMED,
            "pictures": options.pictures,
            "format": options.format,
            "one_gpu_images_per_s": alone,
            "cluster": {name: value for name, value in asdict(cluster).items() if name != "gpus"},
            "rows": [asdict(row) for row in rows],
        }
        options.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
