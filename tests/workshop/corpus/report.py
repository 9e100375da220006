"""Make the corpus, run every case and situation, and print a Markdown table of the results.

    python -m tests.workshop.corpus.report DIR [--weights FILE]

``DIR`` must be empty or new. Without ``--weights`` a tiny untrained model is used. The exit code is
1 when anything differs from what the table of cases expects.
"""

import argparse
import sys
from pathlib import Path

from PIL import Image

from tests.helpers import write_weights
from tests.workshop.corpus.make_corpus import CASES, Case
from tests.workshop.corpus.running import look, problems, run_case, source_profile
from tests.workshop.corpus.situations import SITUATIONS, NotHereError, Situation

COLUMNS = ("case", "in", "out", "bits", "frames", "kept", "exit code", "result")


def row_of_case(case: Case, folder: Path, weights: Path) -> tuple[str, ...]:
    """Run one case in a folder of its own; its row, the last cell empty when it is as expected."""
    ran, content = run_case(case, folder, weights)
    wrong = [] if ran.exit_code == case.exit_code else [f"exit code is not {case.exit_code}"]
    wrong += [] if case.says in ran.stderr else [f"stderr lacks {case.says!r}"]
    path = folder / "out" / case.target
    if not path.is_file():
        wrong += ["there is no result"] if case.is_good else []
        cells = ("-", "-", "-", "-")
    else:
        wrong += problems(case, folder, weights, content) if case.is_good else ["it was written"]
        found = look(path)
        kept = ", ".join(sorted(found.kept(source_profile(folder / "in" / case.file))))
        size = f"{found.format} {found.mode} {found.size[0]}x{found.size[1]}"
        cells = (size, str(found.bits), str(len(found.pixels)), kept or "nothing")
    return (
        case.name,
        source_of(folder / "in" / case.file),
        *cells,
        str(ran.exit_code),
        verdict(wrong),
    )


def source_of(path: Path) -> str:
    try:
        with Image.open(path) as image:
            return f"{image.format} {image.mode} {image.width}x{image.height}"
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return f"{path.stat().st_size} bytes"


def verdict(wrong: list[str]) -> str:
    return "; ".join(wrong) or "ok"


def row_of_situation(situation: Situation, folder: Path, weights: Path) -> tuple[str, ...]:
    folder.mkdir(parents=True)
    try:
        ran, wrong = situation.attempt(folder, weights)
    except NotHereError as reason:
        return (situation.name, "-", "-", "-", "-", "-", "-", f"not run: {reason}")
    if ran.exit_code != situation.exit_code:
        wrong.append(f"exit code is not {situation.exit_code}")
    if situation.says not in ran.stderr:
        wrong.append(f"stderr lacks {situation.says!r}")
    return (situation.name, "-", "-", "-", "-", "-", str(ran.exit_code), verdict(wrong))


def line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", type=Path)
    options = parser.parse_args()
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    weights = options.weights or write_weights(folder / "tiny.safetensors")
    rows = [row_of_case(case, folder / case.name, weights) for case in CASES]
    rows += [row_of_situation(each, folder / each.name, weights) for each in SITUATIONS]
    print(line(COLUMNS))
    print(line(("---",) * len(COLUMNS)))
    for row in rows:
        print(line(row))
    good = sum(row[-1] == "ok" for row in rows)
    left = sum(row[-1].startswith("not run") for row in rows)
    print(f"\n{good} of {len(rows)} as expected, {left} not run")
    return int(good + left != len(rows))


if __name__ == "__main__":
    sys.exit(main())
