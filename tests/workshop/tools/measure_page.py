"""Measure how quickly a comparison page opens and scrolls in Chromium, and how large it is.

    python -m tests.workshop.tools.measure_page FOLDER --pictures 60 --side 512 [--beside]

Crops of the photos in FOLDER stand for the truth; the methods are enlargements of them after they
were reduced to a quarter. Times are the browser's own, from the start of the navigation: when the
first picture is decoded and drawn, and when all of the page has come in. While it scrolls through
the page, the time between frames is taken: at 60 frames a second, 16.7 ms each. Needs Chromium,
chromedriver and selenium.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from sam_diffsr_cli.comparison.page import folder_beside, write_page
from sam_diffsr_cli.comparison.records import PSNR_Y, ComparedPicture, MetricRow, Page
from sam_diffsr_cli.metrics import psnr_y
from tests.comparison.browser import address_of, open_browser, set_size

FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "hamming": Image.Resampling.HAMMING,
}
WATCH = """
const done = arguments[arguments.length - 1];
const gaps = [], step = 40;
let last = performance.now();
const tick = (now) => {
  gaps.push(now - last);
  last = now;
  const before = scrollY;
  scrollBy(0, step);
  if (scrollY === before || gaps.length > 3000) done(gaps.slice(1));
  else requestAnimationFrame(tick);
};
requestAnimationFrame(tick);
"""
FIRST = "return performance.getEntriesByName('first-picture')[0]?.startTime ?? null"
LOADED = """
const [entry] = performance.getEntriesByType('navigation');
return [entry.domInteractive, entry.loadEventEnd];
"""


def make_panels(folder: Path, count: int, side: int) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Cut squares out of the photos of ``folder``, and enlarge them in several ways."""
    photos = sorted(p for p in folder.iterdir() if p.suffix.lower() in {".jpg", ".png", ".webp"})
    for index in range(count):
        with Image.open(photos[index % len(photos)]) as photo:
            longest = max(side, *photo.size)
            scale = longest / min(photo.size) if min(photo.size) < side else 1
            large = photo.convert("RGB").resize([round(n * scale) for n in photo.size])
        x, y = ((137 * index) % max(1, length - side) for length in large.size)
        truth = large.crop((x, y, x + side, y + side))
        small = truth.resize((side // 4, side // 4), Image.Resampling.BICUBIC)
        panels = {
            name: np.asarray(small.resize(truth.size, kind)) for name, kind in FILTERS.items()
        }
        # Upscaled pixels pack better than those of real results, which have grain.
        grain = np.random.default_rng(index).normal(0, 3, (side, side, 1))
        noisy = {k: (v + grain).round().clip(0, 255).astype(np.uint8) for k, v in panels.items()}
        yield f"{index:03}", {**noisy, "truth": np.asarray(truth)}


def make_page(folder: Path, path: Path, count: int, side: int, *, beside: bool) -> int:
    """Write a page; return its size in bytes."""
    rows = [
        MetricRow(method, name, {PSNR_Y.name: psnr_y(panels[method], panels["truth"], 4)})
        for name, panels in make_panels(folder, count, side)
        for method in FILTERS
    ]
    page = Page(
        title="A page to measure",
        methods=tuple(FILTERS),
        truth="truth",
        pictures=(
            ComparedPicture(name, panels) for name, panels in make_panels(folder, count, side)
        ),
        metrics=(PSNR_Y,),
        rows=rows,
    )
    return write_page(page, path, beside=beside)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--beside", action="store_true")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        began = time.perf_counter()
        size = make_page(
            options.folder, path, options.pictures, options.side, beside=options.beside
        )
        print(f"{options.pictures} pictures x {len(FILTERS)} methods and truth, {options.side} px")
        print(f"written in {time.perf_counter() - began:.1f} s, {size / 2**20:.1f} MiB")
        if options.beside:
            print(f"files beside: {len(list(folder_beside(path).iterdir()))}")
        measure(path, options.runs)


def measure(path: Path, runs: int) -> None:
    """Open the page some times, and scroll it through."""
    with open_browser() as driver:
        set_size(driver, 1600, 1000)
        for _ in range(runs):
            driver.get("about:blank")
            driver.get(address_of(path))
            while not (times := driver.execute_script(LOADED))[1]:
                time.sleep(0.05)
            interactive, loaded = times
            first = driver.execute_script(FIRST)
            print(
                f"first picture {first:.0f} ms, all parsed {interactive:.0f}, loaded {loaded:.0f}"
            )
        driver.execute_script("document.getElementById('pictures').scrollIntoView()")
        driver.set_script_timeout(300)
        gaps = sorted(driver.execute_async_script(WATCH))
        print(
            f"scrolling: {len(gaps)} frames, median {statistics.median(gaps):.1f} ms, "
            f"95 % {gaps[int(0.95 * len(gaps))]:.1f} ms, longest {gaps[-1]:.1f} ms"
        )


if __name__ == "__main__":
    main()
