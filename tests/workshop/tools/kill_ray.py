"""Kill machines of a Ray cluster under a batch, finish it, and compare with an unbroken run.

    python -m tests.workshop.tools.kill_ray --pictures 200

The cluster is a head and one more node, both started by ``ray start`` on this machine. Killed are,
in turn: the second node, which the batch must survive; the driver; and the whole cluster, with its
head. After the last two the batch is run again with the manifest that it kept. Exits with 1 when a
folder differs.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from tests.workshop.tools.kill_batch import Place, content, finish, make_place, outputs, wait_for

RAY = str(Path(sys.executable).with_name("ray"))
PATIENCE_S = 120.0
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}


@dataclass
class Cluster:
    """A head at ``address`` and the daemons of each node."""

    address: str
    nodes: list[list[psutil.Process]]

    def kill(self, node: int) -> None:
        """Kill a node without warning."""
        for process in self.nodes[node]:
            process.kill()


def ray(*arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own
        [RAY, *arguments], check=True, capture_output=True, text=True, env=os.environ | QUIET
    )
    return done.stdout


def daemons() -> set[psutil.Process]:
    """List the processes of Ray that keep a node alive."""
    found = set()
    for process in psutil.process_iter(["name"]):
        if process.info["name"] in {"raylet", "gcs_server"}:
            found.add(process)
    return found


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Run two nodes of one CPU each."""
    before = daemons()
    told = ray("start", "--head", "--port=0", "--num-cpus=1", "--include-dashboard=false")
    try:
        match = re.search(r"--address='?([0-9.]+:[0-9]+)", told)
        assert match is not None, told
        head = daemons() - before
        ray("start", f"--address={match[1]}", "--num-cpus=1")
        other = daemons() - before - head
        yield Cluster(match[1], [list(head), list(other)])
    finally:
        subprocess.run([RAY, "stop", "--force"], check=False, capture_output=True)  # noqa: S603


def run_through(place: Place, out: Path, wanted: dict[str, bytes | None], what: str) -> bool:
    """Kill ``what`` in the middle of a batch, and see to its end."""
    manifest = out.with_suffix(".manifest")
    half = len([data for data in wanted.values() if data is not None]) // 2
    with cluster() as machines:
        ours = replace(
            place,
            more=(
                *("--engine", "ray", "--ray-address", machines.address, "--workers", "2"),
                *("--manifest", str(manifest)),
            ),
        )
        process = ours.start(out)
        wait_for(out, half, process)
        assert process.poll() is None, "the run was over before the kill"
        if what == "driver":
            process.kill()
        else:
            for node in {"node": [1], "cluster": [1, 0]}[what]:
                machines.kill(node)
        began = time.monotonic()
        _, errors = process.communicate(timeout=PATIENCE_S)
        ended = time.monotonic() - began
        code, there = process.returncode, len(outputs(out))
        last = errors.strip().splitlines()[-1:] if what == "cluster" else ""
        print(
            f"{what} killed at {half}: exit code {code} after {ended:.0f} s, {there} there {last}"
        )
        if what == "node":
            return code == 0 and content(out) == wanted
        if what == "driver":
            code = finish(ours, out)
    if what == "cluster":
        with cluster() as machines:
            again = (*ours.more[:3], machines.address, *ours.more[4:])
            code = finish(replace(place, more=again), out)
    same = content(out) == wanted
    print(f"  rerun: exit code {code}, {'identical' if same else 'DIFFERENT'}")
    return code == 0 and same


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill each kind once; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--kill", choices=("node", "driver", "cluster"), action="append")
    options = parser.parse_args(arguments)
    os.environ.update(QUIET)
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        place = make_place(Path(folder), options.pictures)
        whole = Path(folder) / "whole"
        code, wanted = finish(place, whole), content(whole)
        print(f"unbroken: exit code {code}, {len(outputs(whole))} pictures")
        for what in options.kill or ("node", "driver", "cluster"):
            same = run_through(place, Path(folder) / what, wanted, what)
            print(f"{what}: {'identical' if same else 'DIFFERENT'}")
            bad += not same
    return 1 if bad or code else 0


if __name__ == "__main__":
    sys.exit(main())
