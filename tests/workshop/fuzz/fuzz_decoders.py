"""Feed damaged picture files to the reader and the writers, and look for what must not happen.

    python -m tests.workshop.fuzz.fuzz_decoders --runs 20000 --seed 0 --keep findings
    python -m tests.workshop.fuzz.fuzz_decoders --files tests/fuzz/corpus --turns 14

A picture or a ``SamsrError`` is well. A finding is any other exception, the death or hang of the
process, memory beyond a bound, an input that changed, or a file anywhere but in the output folder.
Files are tried in a process of their own; when one kills it, another goes on with the next. Files
follow from the seed and the libraries' versions alone.
"""

import argparse
import faulthandler
import importlib
import importlib.util
import os
import resource
import selectors
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
FILES_PER_PROCESS = 2000
START_S = 60.0
MORE_ADDRESSES = 4 << 30
FOLDERS = ("cwd", "in", "out", "tmp")
TRACE, ERRORS = "trace.txt", "stderr.txt"

Case = Callable[[int], tuple[str, bytes]]


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=20_000, help="how many files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="the first file's number")
    parser.add_argument("--files", type=Path, help="try the files of this folder instead")
    parser.add_argument("--turns", type=int, default=1, help="times that each of them is tried")
    parser.add_argument("--keep", type=Path, help="folder for files that are findings")
    parser.add_argument("--timeout", type=float, default=20.0, help="seconds a file may take")
    parser.add_argument("--memory", type=int, default=800, help="MB a file may take")
    parser.add_argument("--target", type=Path, default=HERE / "target.py", help="what is tried")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def load_cases(options: argparse.Namespace) -> tuple[int, Case]:
    """Return how many files there are, and the function that makes each."""
    if options.files is not None:
        paths = sorted(path for path in options.files.iterdir() if path.is_file())
        often = [path for path in paths for _ in range(options.turns)]
        return len(often), lambda index: (often[index].name, often[index].read_bytes())
    sys.path.insert(0, str(HERE))
    seeds = importlib.import_module("seeds").make_seeds()
    mutant = importlib.import_module("mutations").mutant
    return options.first + options.runs, lambda index: mutant(seeds, options.seed, index)


def main() -> int:
    """Run, report, and return the exit code."""
    options = parse_arguments()
    if options.worker is not None:
        return work(options)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as root:
        campaign = Campaign(options, Path(root))
        campaign.run()
    counts = campaign.counts
    tell(
        f"{sum(counts.values())} files: {counts['decoded']} decoded, {counts['refused']} refused, "
        f"{counts['finding']} findings, {time.monotonic() - began:.0f} s"
    )
    return 1 if counts["finding"] else 0


def tell(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@dataclass
class Campaign:
    """The parent's side: it starts workers, listens, and keeps what they find."""

    options: argparse.Namespace
    root: Path
    counts: Counter[str] = field(default_factory=Counter)

    def run(self) -> None:
        """Try every file."""
        count, self.case = load_cases(self.options)
        index = self.options.first
        while index < count:
            index = self._listen(index, min(count, index + FILES_PER_PROCESS))

    def _listen(self, first: int, stop: int) -> int:
        """Run one worker over a range; return the file to go on with."""
        with tempfile.TemporaryDirectory(dir=self.root) as folder:
            process = self._start(Path(folder), first, stop)
            try:
                return self._hear(process, Path(folder), first, stop)
            finally:
                process.kill()
                process.wait()

    def _start(self, folder: Path, first: int, stop: int) -> "subprocess.Popen[bytes]":
        options = self.options
        command = [sys.executable, str(Path(__file__).resolve()), "--worker", str(folder)]
        command += ["--first", str(first), "--runs", str(stop - first)]
        command += ["--seed", str(options.seed), "--memory", str(options.memory)]
        command += ["--target", str(options.target.resolve())]
        if options.files is not None:
            command += ["--files", str(options.files.resolve()), "--turns", str(options.turns)]
        with (folder / ERRORS).open("wb") as errors:
            return subprocess.Popen(  # noqa: S603 - this script
                command, stdout=subprocess.PIPE, stderr=errors
            )

    def _hear(self, process: "subprocess.Popen[bytes]", folder: Path, first: int, stop: int) -> int:
        assert process.stdout is not None
        index, patience = first, START_S
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            waiting = b""
            while index < stop:
                if not selector.select(patience):
                    process.send_signal(signal.SIGABRT)
                    process.wait()
                    self._find(index, f"hung for {patience:g} s", folder)
                    return index + 1
                piece = os.read(process.stdout.fileno(), 1 << 16)
                if not piece:
                    code = process.wait()
                    if code == 0:
                        return index
                    if patience == START_S:
                        raise RuntimeError((folder / ERRORS).read_text(errors="replace"))
                    self._find(index, f"the process ended with {code}", folder)
                    return index + 1
                *lines, waiting = (waiting + piece).split(b"\n")
                for line in lines:
                    index, patience = self._hear_line(line.decode(), index)
        return index

    def _hear_line(self, line: str, index: int) -> tuple[int, float]:
        verdict, _, text = line.partition(" ")
        if verdict == "finding":
            self._find(index, text.replace("\\n", "\n"), None)
        elif verdict in {"decoded", "refused"}:
            self.counts[verdict] += 1
        else:
            # The worker is ready; from now on each file has its own time.
            return index, self.options.timeout
        return index + 1, self.options.timeout

    def _find(self, index: int, text: str, folder: Path | None) -> None:
        self.counts["finding"] += 1
        name, data = self.case(index)
        trace = folder / TRACE if folder is not None else None
        if trace is not None and trace.exists():
            text += "\n" + trace.read_text(encoding="utf-8", errors="replace")
        tell(f"FINDING {index} (from {name}): {text}")
        if self.options.keep is not None:
            self.options.keep.mkdir(parents=True, exist_ok=True)
            (self.options.keep / f"{index:06d}-{name}").write_bytes(data)


def work(options: argparse.Namespace) -> int:
    """The worker's side: try files and tell a line of each."""
    root: Path = options.worker
    with (root / TRACE).open("wb") as trace:
        faulthandler.enable(trace)
        stop, case = load_cases(options)
        stop = min(stop, options.first + options.runs)
        spec = importlib.util.spec_from_file_location("fuzz_target", options.target)
        assert spec is not None
        assert spec.loader is not None
        target = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(target)
        for name in FOLDERS:
            (root / name).mkdir()
        os.chdir(root / "cwd")
        tempfile.tempdir = str(root / "tmp")
        peak = bound_memory(options.memory)
        tell("ready")
        for index in range(options.first, stop):
            line = try_one(target.try_file, root, (index, *case(index)))
            if peak_memory() <= peak:
                tell(line)
                continue
            tell(f"finding took more than {options.memory} MB")
            # What was once taken hides what later files take; a fresh process begins.
            return 0
    return 0


def bound_memory(megabytes: int) -> int:
    """Bound addresses, which a runaway reaches at once; return the peak that may be reached."""
    size = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = size * os.sysconf("SC_PAGE_SIZE") + MORE_ADDRESSES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return peak_memory() + (megabytes << 10)


def peak_memory() -> int:
    """Return the largest memory this process ever had, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def try_one(
    try_file: Callable[[Path, Path, int], str], root: Path, case: tuple[int, str, bytes]
) -> str:
    """Try one file and look around afterwards; return the line to tell."""
    index, name, data = case
    path = root / "in" / name
    path.write_bytes(data)
    try:
        verdict = try_file(path, root / "out", index)
        wrong = look_around(root, path, data)
    except BaseException:  # noqa: BLE001 - everything that gets here is a finding
        wrong, verdict = traceback.format_exc(), ""
    for folder in FOLDERS:
        for left in (root / folder).iterdir():
            left.unlink()
    return "finding " + wrong.replace("\n", "\\n") if wrong else verdict


def look_around(root: Path, path: Path, data: bytes) -> str:
    """Say what is where it should not be; nothing when all is well."""
    if path.read_bytes() != data:
        return "the input was changed"
    found = {name: names_in(root / name) for name in FOLDERS}
    found["."] = names_in(root) - {*FOLDERS, TRACE, ERRORS}
    found["beside"] = names_in(root.parent) - {root.name}
    found["in"] -= {path.name}
    found["out"] = {name for name in found["out"] if name.startswith(".")}
    stray = {where: names for where, names in found.items() if names}
    return f"stray files: {stray}" if stray else ""


def names_in(folder: Path) -> set[str]:
    """List a folder, hidden files too."""
    return {path.name for path in folder.iterdir()}


if __name__ == "__main__":
    sys.exit(main())
