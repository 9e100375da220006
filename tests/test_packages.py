"""How optional packages are to be installed, by where samsr runs."""

import tomllib
from pathlib import Path

from sam_diffsr_cli.packages import install_command

ROOT = Path(__file__).resolve().parents[1]


def test_a_package_is_installed_by_pip(tmp_path: Path) -> None:
    assert install_command("scikit-image", tmp_path) == "pip install scikit-image"


def test_under_pipx_it_goes_into_the_environment_of_the_program(tmp_path: Path) -> None:
    place = tmp_path / "venvs" / "samsr"
    place.mkdir(parents=True)
    (place / "pipx_metadata.json").write_text("{}")
    assert install_command("pi-heif", place) == "pipx inject samsr pi-heif"


def test_no_hint_names_the_package_index_for_samsr_itself() -> None:
    """Of that name there may be a stranger's package there."""
    for path in (ROOT / "sam_diffsr_cli").rglob("*.py"):
        assert "samsr[" not in path.read_text(encoding="utf-8"), path


def test_every_package_that_a_hint_names_is_among_the_extras() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = " ".join(" ".join(names) for names in project["optional-dependencies"].values())
    for name in ("lpips", "tensorboard", "pi-heif", "pillow-jxl-plugin", "ray", "scikit-image"):
        assert f"{name}>=" in extras
    assert "s3fs>=" in extras
    assert "gcsfs>=" in extras
