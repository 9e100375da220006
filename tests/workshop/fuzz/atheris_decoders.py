"""The same target under atheris, which looks for new paths by coverage of the Python code.

    python -m tests.workshop.fuzz.atheris_decoders FOLDER -max_total_time=600

``FOLDER`` is filled with the seeds when it is empty; what the run learns is added to it. Needs
atheris, which is not among the test dependencies.
"""

import importlib
import sys
import tempfile
from pathlib import Path

atheris = importlib.import_module("atheris")
with atheris.instrument_imports(include=["sam_diffsr_cli", "PIL", "tifffile"]):
    target = importlib.import_module("target")


def main() -> None:
    """Run until something is found or time is up."""
    folder = Path(next(name for name in sys.argv[1:] if not name.startswith("-")))
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.iterdir()):
        for name, data in importlib.import_module("seeds").make_seeds().items():
            (folder / name).write_bytes(data)
    with tempfile.TemporaryDirectory() as scratch:
        path, out = Path(scratch, "picture"), Path(scratch, "out")
        out.mkdir()

        def test_one_input(data: bytes) -> None:
            path.write_bytes(data)
            target.try_file(path, out, sum(data[:16]))
            for written in out.iterdir():
                written.unlink()

        atheris.Setup(sys.argv, test_one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
