"""The corpus: picture files of every kind and what ``samsr upscale`` has to make of each.

    python -m tests.workshop.corpus.make_corpus DIR

writes the files into ``DIR``. ``CASES`` is the table; a case is run by
``tests.workshop.corpus.running``.
"""

import argparse
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.workshop.corpus import pictures as p
from tests.workshop.corpus.profiles import gray_profile, ink_profile, p3_profile

__all__ = ["CASES", "Case", "make_corpus", "make_file"]

INPUT = 3
"""Exit code of a picture that cannot be used."""

SIZE = (4 * p.WIDTH, 4 * p.HEIGHT)
TALL = (4 * p.HEIGHT, 4 * p.WIDTH)
BESIDE = frozenset({"exif", "icc", "xmp", "dpi"})
RECORD = frozenset({"record"})
SRGB = frozenset({"record", "icc of sRGB"})
NOTHING: frozenset[str] = frozenset()
WEBP_EXACT: dict[str, Any] = {"lossless": True}


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One file, and what must become of it.

    ``file`` is its path in the corpus and in the output folder, unless ``output`` is given. A case
    with ``options`` is a second use of another's file when ``make`` is None. ``says`` is found on
    stderr. ``size`` is (width, height) of the result; ``bits`` are those of a channel; ``kept``
    names all the metadata of the result; ``near`` is how far, on average, the result may be from
    the picture, in 8-bit levels.
    """

    name: str
    file: str
    make: p.Make
    options: tuple[str, ...] = ()
    output: str | None = None
    exit_code: int = 0
    says: str = ""
    size: tuple[int, int] = SIZE
    mode: str = "RGB"
    bits: int = 8
    durations_ms: tuple[float, ...] = ()
    loop: int | None = None
    pages: int = 1
    kept: frozenset[str] = RECORD
    near: float = 4.0

    @property
    def is_good(self) -> bool:
        return self.exit_code == 0

    @property
    def frames(self) -> int:
        return max(self.pages, len(self.durations_ms))

    @property
    def target(self) -> str:
        """The result's path in the output folder."""
        return self.output or self.file


def bad(name: str, file: str, make: p.Make, says: str) -> Case:
    return Case(name=name, file=f"bad/{file}", make=make, exit_code=INPUT, says=says)


def modes() -> Iterable[Case]:
    """Every mode of every format; only what a format cannot hold changes."""
    for suffix, name in (("png", "PNG"), ("tif", "TIFF"), ("jpg", "JPEG"), ("bmp", "BMP")):
        kept = NOTHING if name == "BMP" else RECORD
        made, plain = p.pillow(p.rgb(), name), p.pillow(p.gray(), name)
        yield Case(name=f"{suffix}-rgb", file=f"rgb.{suffix}", make=made, kept=kept)
        yield Case(
            name=f"{suffix}-gray",
            file=f"gray.{suffix}",
            make=plain,
            mode="gray",
            kept=kept,
        )
    for suffix, name in (("png", "PNG"), ("tif", "TIFF")):
        yield Case(
            name=f"{suffix}-rgba", file=f"a.{suffix}", make=p.pillow(p.rgba(), name), mode="RGBA"
        )
        yield Case(
            name=f"{suffix}-gray-alpha",
            file=f"ga.{suffix}",
            make=p.pillow(p.gray_alpha(), name),
            mode="gray+alpha",
        )
        for kind, levels, mode in (
            ("gray", p.gray(), "gray"),
            ("gray-alpha", p.gray_alpha(), "gray+alpha"),
            ("rgb", p.rgb(), "RGB"),
            ("rgba", p.rgba(), "RGBA"),
        ):
            make = p.deep_png(levels) if name == "PNG" else p.deep_tiff(levels)
            yield Case(
                name=f"{suffix}-16-{kind}",
                file=f"deep-{kind}.{suffix}",
                make=make,
                mode=mode,
                bits=16,
            )


def few_colours() -> Iterable[Case]:
    """One to four bits, palettes, and colours that are clear."""
    for suffix, name in (("png", "PNG"), ("tif", "TIFF"), ("bmp", "BMP")):
        yield Case(
            name=f"{suffix}-1-bit",
            file=f"bit.{suffix}",
            make=p.pillow(p.gray(), name, "1"),
            mode="gray",
            near=40.0,
            kept=NOTHING if name == "BMP" else RECORD,
        )
    for bits in (2, 4):
        yield Case(
            name=f"png-{bits}-bit",
            file=f"bits{bits}.png",
            make=p.few_bits_png(bits),
            mode="gray",
            near=8.0,
        )
    for suffix, name in (("png", "PNG"), ("tif", "TIFF"), ("bmp", "BMP"), ("gif", "GIF")):
        yield Case(
            name=f"{suffix}-palette",
            file=f"pal.{suffix}",
            make=p.palette(name, clear=False),
            mode="palette" if name == "GIF" else "RGB",
            near=8.0,
            kept=NOTHING if name == "BMP" else RECORD,
        )
    yield Case(
        name="png-palette-clear",
        file="pal-clear.png",
        make=p.palette("PNG", clear=True),
        mode="RGBA",
        near=8.0,
    )
    yield Case(
        name="gif-palette-clear",
        file="pal-clear.gif",
        make=p.palette("GIF", clear=True),
        mode="palette+clear",
        near=12.0,
    )
    yield Case(
        name="gif-gray",
        file="gray.gif",
        make=p.pillow(p.gray(), "GIF"),
        mode="gray",
    )
    key_rgb = p.halves(np.array([9, 90, 200], np.uint8), np.array([200, 9, 9], np.uint8))
    yield Case(
        name="png-rgb-one-clear-colour",
        file="key.png",
        make=p.keyed_png(key_rgb, (9, 90, 200)),
        mode="RGBA",
        near=8.0,
    )
    key_gray = p.halves(np.array([10], np.uint8), np.array([200], np.uint8))[..., 0]
    yield Case(
        name="png-gray-one-clear-level",
        file="key-gray.png",
        make=p.keyed_png(key_gray, 10),
        mode="gray+alpha",
        near=8.0,
    )
    yield Case(
        name="png-16-one-clear-colour",
        file="key-deep.png",
        make=p.keyed_deep_png(),
        mode="RGBA",
        bits=16,
        near=8.0,
    )


def other_colours() -> Iterable[Case]:
    """WebP and AVIF, inks, and Lab."""
    for suffix, name in (("webp", "WEBP"), ("avif", "AVIF")):
        for kind, levels, mode in (
            ("rgb", p.rgb(), "RGB"),
            ("gray", p.gray(), "RGB"),
            ("rgba", p.rgba(), "RGBA"),
        ):
            yield Case(
                name=f"{suffix}-{kind}",
                file=f"{kind}.{suffix}",
                make=p.pillow(levels, name, quality=95),
                mode=mode,
                near=5.0,
            )
    for suffix, name in (("jpg", "JPEG"), ("tif", "TIFF")):
        for kind, profile in (("icc", ink_profile()), ("plain", None)):
            yield Case(
                name=f"{suffix}-cmyk-{kind}",
                file=f"cmyk-{kind}.{suffix}",
                make=p.inks(name, profile),
                kept=SRGB,
                near=8.0,
                says="CMYK was converted to sRGB "
                + ("through its ICC profile" if profile else "without a usable ICC profile"),
            )
    yield Case(
        name="tif-lab",
        file="lab.tif",
        make=p.lab_tiff(),
        kept=SRGB,
        near=8.0,
        says="LAB was converted to sRGB",
    )


def several_frames() -> Iterable[Case]:
    """Animations and pages: all of them, with their times."""
    times = tuple(float(ms) for ms in p.DURATIONS)
    animated: dict[str, Any] = {"durations_ms": times, "loop": p.LOOP}
    for suffix, name in (("gif", "GIF"), ("webp", "WEBP"), ("png", "PNG")):
        exact = WEBP_EXACT if name == "WEBP" else {}
        yield Case(
            name=f"{suffix}-animated",
            file=f"anim.{suffix}",
            make=p.animation(name, **exact),
            mode="palette" if name == "GIF" else "RGB",
            near=12.0 if name == "GIF" else 4.0,
            **animated,
        )
    for suffix, name in (("webp", "WEBP"), ("png", "PNG")):
        exact = WEBP_EXACT if name == "WEBP" else {"disposal": 0, "blend": 0}
        yield Case(
            name=f"{suffix}-animated-alpha",
            file=f"anim-alpha.{suffix}",
            make=p.animation(name, has_alpha=True, **exact),
            mode="RGBA",
            near=6.0,
            **animated,
        )
    yield Case(
        name="gif-animated-clear",
        file="anim-clear.gif",
        make=p.animation("GIF", has_alpha=True, disposal=2),
        mode="palette+clear",
        near=16.0,
        **animated,
    )
    yield Case(
        name="avif-animated",
        file="anim.avif",
        make=p.animation("AVIF", quality=95),
        near=6.0,
        durations_ms=times,
    )
    yield Case(
        name="png-16-animated",
        file="anim-deep.png",
        make=p.deep_apng(),
        bits=16,
        durations_ms=times[:2],
        loop=p.LOOP,
        near=4.0,
    )
    yield Case(
        name="tif-pages",
        file="pages.tif",
        make=p.pages([p.rgb(), p.gray(7, 9), p.deep(p.rgb(5, 4)), p.deep(p.gray())]),
        pages=4,
    )
    yield Case(
        name="gif-animated-to-webp",
        file="anim.gif",
        make=p.animation("GIF"),
        options=("--format", "webp", "--lossless"),
        output="anim.webp",
        near=12.0,
        **(animated | {"loop": p.LOOP + 1}),  # GIF counts repeats, WebP plays
    )
    yield Case(
        name="tif-pages-to-png",
        file="pages.tif",
        make=p.pages([p.rgb(), p.gray(7, 9)]),
        options=("--format", "png"),
        output="pages.png",
        exit_code=INPUT,
        says="PNG cannot hold 2 frames (pages)",
    )


def metadata() -> Iterable[Case]:
    """Upright once, sizes brought up to date, and everything else as it was."""
    for turn in range(1, 9):
        yield Case(
            name=f"jpg-orientation-{turn}",
            file=f"turn{turn}.jpg",
            make=p.turned("JPEG", turn),
            size=TALL if turn > 4 else SIZE,
            kept=RECORD | {"exif"},
        )
    for suffix, name in (("png", "PNG"), ("webp", "WEBP"), ("tif", "TIFF"), ("avif", "AVIF")):
        for turn in (3, 6):
            yield Case(
                name=f"{suffix}-orientation-{turn}",
                file=f"turn{turn}.{suffix}",
                make=p.turned(name, turn),
                size=TALL if turn > 4 else SIZE,
                kept=RECORD | {"exif"},
                near=5.0,
            )
    for turn in (5, 8):
        yield Case(
            name=f"tif-16-orientation-{turn}",
            file=f"deep-turn{turn}.tif",
            make=p.turned_deep_tiff(turn),
            size=TALL,
            bits=16,
        )
    wide = p3_profile()
    exif = p.exif().tobytes()
    everything: dict[str, Any] = {"icc_profile": wide, "exif": exif, "xmp": p.XMP, "quality": 95}
    dense = {**everything, "dpi": (p.DPI, p.DPI)}
    commented = {**dense, "comment": p.COMMENT}
    yield Case(
        name="jpg-everything",
        file="all.jpg",
        make=p.pillow(p.rgb(), "JPEG", **commented),
        kept=RECORD | BESIDE | {"comment"},
    )
    for suffix, name in (("webp", "WEBP"), ("avif", "AVIF")):
        yield Case(
            name=f"{suffix}-everything",
            file=f"all.{suffix}",
            make=p.pillow(p.rgb(), name, **everything),
            kept=RECORD | BESIDE - {"dpi"},
            near=5.0,
        )
    yield Case(
        name="tif-everything",
        file="all.tif",
        make=p.pillow(p.rgb(), "TIFF", icc_profile=wide, dpi=(p.DPI, p.DPI), exif=p.tiff_exif()),
        kept=RECORD | BESIDE,
    )
    yield Case(
        name="png-everything",
        file="all.png",
        make=p.text_png(),
        kept=RECORD | {"exif", "xmp", "dpi", "text"},
    )
    yield Case(
        name="png-wide-gamut",
        file="wide.png",
        make=p.text_png_with_profile(wide),
        kept=RECORD | {"icc", "text"},
    )
    yield Case(
        name="png-16-wide-gamut",
        file="wide-deep.png",
        make=p.deep_png_with_profile(wide),
        bits=16,
        kept=RECORD | {"icc"},
    )
    yield Case(
        name="png-gray-profile",
        file="gray-linear.png",
        make=p.pillow(p.gray(), "PNG", icc_profile=gray_profile()),
        mode="gray",
        kept=RECORD | {"icc"},
    )
    yield Case(
        name="jpg-damaged-profile",
        file="no-icc.jpg",
        make=p.pillow(p.rgb(), "JPEG", icc_profile=wide[:300], quality=95),
        kept=RECORD | {"icc"},
    )
    yield Case(
        name="gif-comment",
        file="comment.gif",
        make=p.pillow(p.gray(), "GIF", comment=p.COMMENT),
        mode="gray",
        kept=RECORD | {"comment"},
    )
    yield Case(
        name="bmp-density",
        file="dense.bmp",
        make=p.pillow(p.rgb(), "BMP", dpi=(p.DPI, p.DPI)),
        kept=frozenset({"dpi"}),
        says="BMP has no room for XMP and the record",
    )
    for suffix in ("jpg", "png", "webp", "tif", "avif"):
        make = {
            "jpg": p.pillow(p.rgb(), "JPEG", **commented),
            "png": p.text_png(),
            "webp": p.pillow(p.rgb(), "WEBP", **everything),
            "avif": p.pillow(p.rgb(), "AVIF", **everything),
            "tif": p.pillow(p.rgb(), "TIFF", icc_profile=wide, exif=p.tiff_exif()),
        }[suffix]
        yield Case(
            name=f"{suffix}-stripped",
            file=f"all.{suffix}",
            make=make,
            options=("--strip-metadata",),
            kept=NOTHING,
            near=5.0,
        )
    yield Case(
        name="gif-stripped",
        file="comment.gif",
        make=p.pillow(p.gray(), "GIF", comment=p.COMMENT),
        options=("--strip-metadata",),
        mode="gray",
        kept=NOTHING,
    )
    yield Case(
        name="jpg-turned-stripped",
        file="turn6.jpg",
        make=p.turned("JPEG", 6),
        options=("--strip-metadata",),
        size=TALL,
        kept=NOTHING,
    )


def conversions() -> Iterable[Case]:
    """From one format to another: everything that has room goes along, the rest is told."""
    full = p.pillow(
        p.rgb(),
        "JPEG",
        icc_profile=p3_profile(),
        exif=p.exif().tobytes(),
        xmp=p.XMP,
        dpi=(p.DPI, p.DPI),
        quality=95,
    )
    for suffix, kept, says in (
        ("png", BESIDE, ""),
        ("tif", BESIDE, ""),
        ("webp", BESIDE - {"dpi"}, "WEBP has no room for the print density"),
        ("avif", BESIDE - {"dpi"}, "AVIF has no room for the print density"),
        ("bmp", frozenset({"dpi"}), "BMP has no room for EXIF, XMP"),
        ("gif", NOTHING, "GIF has no room for EXIF, XMP"),
    ):
        yield Case(
            name=f"jpg-to-{suffix}",
            file="full.jpg",
            make=full,
            options=("--format", suffix),
            output=f"full.{suffix}",
            mode="palette" if suffix == "gif" else "RGB",
            kept=kept if suffix == "bmp" else kept | RECORD,
            says=says,
            near=8.0,
        )
    for suffix, bits, says in (("tif", 16, ""), ("webp", 8, "16 bits a channel became 8")):
        yield Case(
            name=f"png-16-to-{suffix}",
            file="deep-rgba.png",
            make=p.deep_png(p.rgba()),
            options=("--format", suffix),
            output=f"deep-rgba.{suffix}",
            mode="RGBA",
            bits=bits,
            says=says,
            near=5.0,
        )
    yield Case(
        name="tif-16-to-png",
        file="deep-rgb.tif",
        make=p.deep_tiff(p.rgb()),
        options=("--format", "png"),
        output="deep-rgb.png",
        bits=16,
    )
    for suffix in ("jpg", "bmp"):
        yield Case(
            name=f"png-rgba-to-{suffix}",
            file="a.png",
            make=p.pillow(p.rgba(), "PNG"),
            options=("--format", suffix),
            output=f"a.{suffix}",
            exit_code=INPUT,
            says="cannot hold transparency",
        )
    for scale, size in {"2.5": (30, 20), "1": (12, 8), "7": (84, 56)}.items():
        yield Case(
            name=f"png-scale-{scale}",
            file="rgb.png",
            make=p.pillow(p.rgb(), "PNG"),
            options=("--scale", scale),
            size=size,
        )


ODD_NAMES = {
    "unicode": "снег ❄ 雪.png",
    "spaces": "  two  spaces .png",
    "leading-dash": "-r.png",
    "markup": "[bold]red[red].png",
    "glob": "b[a-z]*?.png",
    "newline": "two\nlines.png",
    "longest": "n" * 251 + ".png",
    "longest-unicode": "雪" * 83 + "xx.png",
    "dots": "a.b..c.png",
    "upper-case": "UPPER.PNG",
    "percent": "%s%d{0}.png",
    "quote": 'it\'s "so".png',
    "at": "@list.png",
    "not-utf-8": os.fsdecode(b"caf\xe9.png"),
}


def names_and_sizes() -> Iterable[Case]:
    """Names that something between the shell and the disk could take for more than a name."""
    for name, file in ODD_NAMES.items():
        yield Case(
            name=f"name-{name}",
            file=f"names/{file}",
            make=p.pillow(p.gray(), "PNG"),
            mode="gray",
        )
    yield Case(
        name="name-no-such-suffix-is-png-inside",
        file="names/photo.dat",
        make=p.pillow(p.gray(), "PNG"),
        options=("--suffix", "_x4"),
        output="names/photo_x4.png",
        mode="gray",
    )
    yield Case(
        name="name-of-another-format",
        file="names/really-a-jpeg.png",
        make=p.pillow(p.rgb(), "JPEG", quality=95),
    )
    yield Case(
        name="name-grows-too-long",
        file="names/" + "n" * 251 + ".png",
        make=p.pillow(p.gray(), "PNG"),
        options=("--suffix", "_x4"),
        exit_code=INPUT,
        says="File name too long",
    )
    for width, height in ((1, 1), (1, 5000), (5000, 1), (2, 3)):
        yield Case(
            name=f"size-{width}x{height}",
            file=f"sizes/{width}x{height}.png",
            make=p.pillow(p.rgb(width, height), "PNG"),
            size=(4 * width, 4 * height),
        )
    yield Case(
        name="size-1x5000-too-long-for-webp",
        file="sizes/1x5000.png",
        make=p.pillow(p.rgb(1, 5000), "PNG"),
        options=("--format", "webp"),
        output="sizes/1x5000.webp",
        exit_code=INPUT,
        says="20000 pixels are too long for WEBP",
    )


def bad_files() -> Iterable[Case]:
    """What is no picture, or not a whole or a harmless one."""
    common = [("png", "PNG"), ("jpg", "JPEG"), ("webp", "WEBP"), ("tif", "TIFF")]
    common += [("bmp", "BMP"), ("gif", "GIF")]
    for suffix, name in (*common, ("avif", "AVIF")):
        file = f"cut.{suffix}"
        yield bad(f"truncated-{suffix}", file, p.truncated(name), "")
        yield bad(f"zero-byte-{suffix}", f"empty.{suffix}", p.raw(b""), "is empty")
        yield bad(
            f"text-named-{suffix}", f"text.{suffix}", p.raw(b"Dear diary,\n" * 9), "not a picture"
        )
    for suffix, name in common:
        yield bad(f"bomb-{suffix}", f"bomb.{suffix}", p.bomb(name), "than is safe to decode")
    yield bad("checksum-png", "crc.png", p.corrupt_png(), "damaged")
    yield bad("complex-tif", "complex.tif", p.complex_tiff(), "complex numbers")
    yield bad("markup-in-a-bad-name", "[bold]bad[red].png", p.raw(b"x"), "")
    yield bad("signature-only-png", "signature.png", p.raw(b"\x89PNG\r\n\x1a\n"), "")


CASES: tuple[Case, ...] = (
    *modes(),
    *few_colours(),
    *other_colours(),
    *several_frames(),
    *metadata(),
    *conversions(),
    *names_and_sizes(),
    *bad_files(),
)


def make_file(case: Case, folder: Path) -> p.Content:
    """Write one case's file below ``folder``."""
    path = folder / case.file
    path.parent.mkdir(parents=True, exist_ok=True)
    return case.make(path)


def make_corpus(folder: Path) -> dict[str, p.Content]:
    """Write every file, and a folder that is named like a picture; by case, what is to be seen."""
    (folder / "folder.png").mkdir(parents=True)
    return {case.name: make_file(case, folder) for case in CASES if not case.options}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    made = make_corpus(folder)
    print(f"{len(made)} files in {folder}")


if __name__ == "__main__":
    main()
