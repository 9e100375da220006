"""Running a case of the corpus, and looking at what became of it with other libraries' eyes."""

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, ImageCms, TiffImagePlugin

from sam_diffsr_cli.pictures.xmp import record_of
from tests.helpers import Ran, samsr
from tests.workshop.corpus import pictures as p
from tests.workshop.corpus.make_corpus import Case, make_file

__all__ = ["Found", "look", "problems", "run_case"]

"""Untrained, with no steps, it enlarges by bicubic: results can be compared with their sources."""

PNG_KINDS = {0: "gray", 2: "RGB", 3: "palette", 4: "gray+alpha", 6: "RGBA"}
KINDS = {1: "gray", 2: "gray+alpha", 3: "RGB", 4: "RGBA"}
XMP_TAG = 700


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What is in a picture file. ``pixels`` are floats in [0, 1], as in ``pictures``."""

    format: str
    size: tuple[int, int]
    mode: str
    bits: int
    durations_ms: tuple[float, ...]
    loop: int | None
    pixels: p.Content
    icc: bytes | None
    exif: dict[int, Any]
    xmp: bytes
    dpi: float
    texts: dict[str, str]
    comment: bytes

    @property
    def record(self) -> dict[str, Any] | None:
        """How it was made, from XMP or, in a GIF, the comment."""
        text = record_of(self.xmp) if self.xmp else None
        if text is None and b"{" in self.comment:
            text = self.comment[self.comment.index(b"{") :].decode()
        return None if text is None else dict(json.loads(text))

    def kept(self, source: bytes | None) -> frozenset[str]:
        """Name the metadata there is; ``source`` is the profile of the file it was made from."""
        return frozenset(
            name
            for name, is_there in {
                "record": self.record is not None,
                "exif": self.exif.get(0x010F) == p.MAKER,
                "icc": self.icc is not None and self.icc == source,
                "icc of sRGB": self.icc is not None and self.icc != source and is_srgb(self.icc),
                "icc of another": self.icc not in (None, source) and not is_srgb(self.icc or b""),
                "xmp": p.XMP_TEXT.encode() in self.xmp,
                "dpi": abs(self.dpi - p.DPI) < 1,
                "text": self.texts.get(p.TEXT_KEY) == p.TEXT,
                "comment": p.COMMENT in self.comment,
            }.items()
            if is_there
        )


def is_srgb(profile: bytes) -> bool:
    """Whether a profile leaves sRGB as it is, by another way than the package's."""
    levels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    there = ImageCms.profileToProfile(
        Image.fromarray(levels),
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
    )
    return there is not None and int(np.abs(np.asarray(there).astype(int) - levels).max()) <= 1


def run_case(case: Case, folder: Path, weights: Path) -> tuple[Ran, p.Content]:
    """Make the case's file in ``folder / "in"`` and enlarge it into ``folder / "out"``."""
    content = make_file(case, folder / "in")
    target = (folder / "out" / case.target).parent
    fast = ("--weights", weights, "--steps", 0, *case.options)
    return samsr("upscale", folder / "in" / case.file, f"{target}/", *fast), content


def _know_deep_gray_with_alpha() -> None:
    """Let Pillow open gray of 16 bits with a second channel, to see what stands beside it."""
    for order in (b"II", b"MM"):
        TiffImagePlugin.OPEN_INFO.setdefault((order, 1, (1,), 1, (16, 16), (2,)), ("LA", "LA"))


def look(path: Path) -> Found:
    """Read a picture file."""
    _know_deep_gray_with_alpha()
    with Image.open(path) as image:
        count = getattr(image, "n_frames", 1)
        frames, durations = [], []
        mode = _kind(path, image)
        info, tags = dict(image.info), dict(getattr(image, "tag_v2", {}))
        for index in range(count):
            image.seek(index)
            if image.format != "TIFF":
                image.load()
                frames.append(_levels(image, mode))
            durations.append(float(image.info.get("duration", 0)))
        image.seek(0)
        exif = image.getexif()
        flat = {**dict(exif), **exif.get_ifd(0x8769)}
        texts = {k: str(v) for k, v in getattr(image, "text", {}).items() if "XML:" not in k}
        xmp = tags.get(XMP_TAG, b"") if image.format == "TIFF" else info.get("xmp", b"")
        found_format, size = str(image.format), image.size
    deep = _deep(path, found_format)
    is_deep_png = found_format == "PNG" and path.read_bytes()[24] == 16
    bits = 16 if is_deep_png or (deep is not None and deep[0].dtype == np.uint16) else 8
    return Found(
        format=found_format,
        size=size,
        mode=mode,
        bits=bits,
        durations_ms=tuple(durations) if count > 1 and found_format != "TIFF" else (),
        loop=info.get("loop") if count > 1 else None,
        pixels=tuple(map(p.shown, frames if deep is None else deep)),
        icc=info.get("icc_profile"),
        exif=flat,
        xmp=bytes(xmp),
        dpi=float(info.get("dpi", (0, 0))[0]),
        texts=texts,
        comment=_bytes(info.get("comment", b"")),
    )


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _kind(path: Path, image: Image.Image) -> str:
    """Name the mode by the file's own header where Pillow might have changed it."""
    if image.format == "PNG":
        return PNG_KINDS[path.read_bytes()[25]]
    if image.format == "TIFF":
        with tifffile.TiffFile(path) as tiff:
            return KINDS[tiff.pages.first.samplesperpixel]
    if image.format == "GIF" and "transparency" in image.info:
        return "palette+clear"
    if image.format == "GIF":
        red, green, blue = np.moveaxis(np.asarray(image.convert("RGB")), 2, 0)
        return "gray" if (red == green).all() and (green == blue).all() else "palette"
    return {"L": "gray", "P": "palette", "LA": "gray+alpha"}.get(image.mode, image.mode)


def _levels(image: Image.Image, mode: str) -> p.Levels:
    wanted = {"gray": "L", "palette": "RGB", "palette+clear": "RGBA", "gray+alpha": "LA"}
    return np.array(image.convert(wanted.get(mode, mode)))


def _deep(path: Path, image_format: str) -> list[p.Levels] | None:
    """Pixels of files that Pillow may read with fewer bits than they have."""
    if image_format == "TIFF":
        with tifffile.TiffFile(path) as tiff:
            return [page.asarray() for page in tiff.pages if isinstance(page, tifffile.TiffPage)]
    data = path.read_bytes()
    if image_format == "PNG" and data[24] == 16 and b"acTL" not in data:
        return [np.asarray(imagecodecs.png_decode(path.read_bytes()))]
    return None


def problems(case: Case, folder: Path, weights: Path, content: p.Content) -> list[str]:
    """Compare a result in ``folder / "out"`` with its case; one sentence for each difference."""
    path = folder / "out" / case.target
    if not path.is_file():
        return ["there is no result"]
    found = look(path)
    profile = source_profile(folder / "in" / case.file)
    steps = [case.options[i + 1] for i, o in enumerate(case.options) if o == "--scale"]
    record = {
        "model": weights.stem,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "steps": 0,
        "sampler": "ancestral",
        "seed": 0,
        "scale": float(steps[0]) if steps else 4.0,
    }
    checks: dict[str, tuple[object, object]] = {
        "size": (found.size, case.size),
        "mode": (found.mode, case.mode),
        "bits": (found.bits, case.bits),
        "frames": (len(found.pixels), case.frames),
        "durations": (found.durations_ms, case.durations_ms),
        "loop": (found.loop, case.loop),
        "kept": (sorted(found.kept(profile)), sorted(case.kept)),
    }
    if "record" in case.kept:
        told = found.record or {}
        checks["record"] = ({name: told.get(name) for name in record}, record)
        checks["tool"] = (str(told.get("tool", "")).startswith("samsr "), True)
    if "exif" in case.kept:
        checks["orientation"] = (found.exif.get(0x0112, 1), 1)
        checks["exif size"] = ((found.exif.get(0xA002), found.exif.get(0xA003)), case.size)
    if not case.kept:
        checks["traces"] = (traces(path.read_bytes()), [])
    wrong = [f"{name} is {a}, not {b}" for name, (a, b) in checks.items() if a != b]
    if found.icc is None and profile is not None:
        # Nothing tells the colours of the source any more: they must have become sRGB.
        content = tuple(in_srgb(frame, profile) for frame in content)
    return wrong + _distances(found.pixels, content, case.near)


def traces(body: bytes) -> list[str]:
    words = (b"samsr", p.MAKER.encode(), p.XMP_TEXT.encode(), p.TEXT.encode(), p.COMMENT)
    return [word.decode() for word in words if word in body]


def source_profile(path: Path) -> bytes | None:
    with Image.open(path) as image:
        profile = image.info.get("icc_profile")
    return None if profile is None else bytes(profile)


def in_srgb(unit: p.Shown, profile: bytes) -> p.Shown:
    """Convert colours by another way than the package's; what is not of RGB is left."""
    if unit.shape[2] < 3 or profile[16:20] != b"RGB ":
        return unit
    there = ImageCms.profileToProfile(
        Image.fromarray((unit[..., :3] * 255).round().astype(np.uint8)),
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )
    assert there is not None
    return np.concatenate([p.shown(np.asarray(there)), unit[..., 3:]], axis=2)


def _distances(pixels: p.Content, content: p.Content, near: float) -> list[str]:
    wrong = []
    for index, (large, small) in enumerate(zip(pixels, content, strict=False)):
        away = distance(large, small)
        if not away <= near:
            wrong.append(f"frame {index} is {away:.1f} levels from its source, above {near}")
    return wrong


def distance(large: p.Shown, small: p.Shown) -> float:
    """Mean distance, in 8-bit levels, of a result shrunk to its source's size from its source."""
    size = small.shape[1], small.shape[0]
    large, small = _premultiplied(large), _premultiplied(small)
    shrunk = [
        np.asarray(
            Image.fromarray(large[..., c].astype(np.float32)).resize(size, Image.Resampling.BOX)
        )
        for c in range(large.shape[2])
    ]
    return 255 * float(np.abs(np.dstack(shrunk) - small).mean())


def _premultiplied(unit: p.Shown) -> p.Shown:
    """As RGBA, colours times alpha."""
    has_alpha = unit.shape[2] in (2, 4)
    alpha = unit[..., -1:] if has_alpha else np.ones_like(unit[..., :1])
    colour = np.broadcast_to(unit[..., : unit.shape[2] - has_alpha], (*unit.shape[:2], 3))
    return np.concatenate([colour * alpha, alpha], axis=2)
