"""How a generated picture was made: from a PNG's texts to EXIF, where readers of others look.

The web interfaces of Stable Diffusion read ``parameters`` of a PNG, and UserComment elsewhere;
ComfyUI reads ``prompt`` and ``workflow`` of a PNG, and Model and Make of a WebP.
"""

from collections.abc import Iterable, Mapping

from sam_diffsr_cli.pictures.directories import Directory, Field, pack_exif, parse_exif
from sam_diffsr_cli.pictures.png import text_chunks

__all__ = ["move_generation"]

MAKE, MODEL, EXIF_IFD, MAKER_NOTE, USER_COMMENT = 0x010F, 0x0110, 0x8769, 0x927C, 0x9286
ASCII, UNDEFINED = 2, 7
PARAMETERS = b"parameters"
COMFY = {b"prompt": MODEL, b"workflow": MAKE}


def move_generation(
    chunks: Iterable[tuple[bytes, bytes]], exif: bytes | None, target: str
) -> tuple[bytes | None, frozenset[bytes]]:
    """Write what tells how a picture was generated into EXIF.

    Args:
        chunks: Of the PNG that was read.
        exif: Its EXIF; one with a MakerNote stays as it is, since that would not bear it.
        target: The format to write.

    Returns:
        The EXIF, and the keywords of the texts that are in it now.
    """
    texts = {keyword: text for keyword, text in text_chunks(chunks) if text}
    wanted = [PARAMETERS, *(COMFY if target == "WEBP" else ())]
    try:
        old = Directory(">") if exif is None else parse_exif(exif)
    except ValueError:
        return exif, frozenset()
    below = old.children.get(EXIF_IFD, Directory(old.order))
    moved = {word: texts[word] for word in wanted if word in texts}
    taken = {field.tag for field in (*old.fields, *below.fields)}
    moved = {word: text for word, text in moved.items() if _tag(word) not in taken}
    if not moved or MAKER_NOTE in taken:
        return exif, frozenset()
    return pack_exif(_with_texts(old, below, moved)), frozenset(moved)


def _tag(keyword: bytes) -> int:
    return COMFY.get(keyword, USER_COMMENT)


def _with_texts(old: Directory, below: Directory, moved: Mapping[bytes, str]) -> Directory:
    fields, inner = list(old.fields), list(below.fields)
    for keyword, text in moved.items():
        if keyword == PARAMETERS:
            data = b"UNICODE\0" + text.encode("utf-16-be")
            inner.append(Field(USER_COMMENT, UNDEFINED, len(data), data))
        else:
            data = f"{keyword.decode()}:{text}".encode() + b"\0"
            fields.append(Field(COMFY[keyword], ASCII, len(data), data))
    children = old.children | {EXIF_IFD: Directory(old.order, inner, below.children)}
    if not inner:
        del children[EXIF_IFD]
    return Directory(old.order, fields, children)
