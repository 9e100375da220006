"""The layers of the package, read from its imports, and the budgets of the house."""

import ast
import graphlib
import tomllib
from pathlib import Path

import pytest

import sam_diffsr_cli
from tests.helpers import loaded_by

PACKAGE = Path(sam_diffsr_cli.__file__).parent
ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(PACKAGE.rglob("*.py"))

# Lower never imports higher; members of one set do not import each other. The package itself is ""
# and only names what is in its face; its version may be read from anywhere.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"errors"}),
    frozenset({"strict", "mapped", "mirroring", "choices", "packages"}),
    frozenset({"chain_config"}),
    frozenset({"config", "atomic", "digests", "line_log", "locks"}),
    frozenset({"sampling_config"}),
    frozenset(
        {
            "charts",
            "device",
            "diffusion",
            "docs",
            "download",
            "masks.position",
            "masks.rle",
            "measures",
            "pages",
            "pictures",
            "process",
            "recipes",
            "resize",
            "tiling",
        }
    ),
    frozenset({"workers", "degradation"}),
    frozenset({"networks", "data", "masks", "metrics", "noise"}),
    frozenset({"checkpoints", "sampling"}),
    frozenset({"upscaling"}),
    # The use-cases, each of which may use those before it.
    frozenset({"batch", "masks.work"}),
    frozenset({"comparison"}),
    frozenset({"evaluation", "preview"}),
    frozenset({"training"}),
    frozenset({"diagnosis"}),
    frozenset({"benchmark"}),
    # What Python users see, and what people at a terminal see.
    frozenset({"api"}),
    frozenset({""}),
    frozenset({"cli"}),
    frozenset({"__main__"}),
)
ROOMS = sorted(
    path.name
    for path in PACKAGE.iterdir()
    if not path.name.startswith("_") and (path.is_dir() or path.suffix == ".py")
)
COPY = 6
HEAVY = {"torch", "numpy", "PIL", "safetensors", "tifffile", "imagecodecs"}


def dotted_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


NAMES = {dotted_name(path): path for path in MODULES}


def unit_of(dotted: str) -> str:
    """Name the unit of the table above that a module of the package belongs to."""
    parts = dotted.split(".")[1:]
    joined = ".".join(parts[:2])
    return joined if any(joined in layer for layer in LAYERS) else (parts[0] if parts else "")


def level_of(unit: str) -> int:
    return next(i for i, layer in enumerate(LAYERS) if unit in layer)


def internal_imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "sam_diffsr_cli":
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
            elif node.module.startswith("sam_diffsr_cli."):
                found.add(node.module)
    return {name for name in found if name != "sam_diffsr_cli.__version__"}


def imported_names(tree: ast.Module) -> set[str]:
    found = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    return {alias.asname or alias.name for node in found for alias in node.names}


@pytest.mark.parametrize("path", MODULES, ids=dotted_name)
def test_a_module_imports_only_lower_layers(path: Path) -> None:
    own = unit_of(dotted_name(path))
    for name in internal_imports(path):
        other = unit_of(name)
        assert other == own or level_of(other) < level_of(own), f"{own} imports {other}"


@pytest.mark.parametrize("path", MODULES, ids=dotted_name)
def test_a_module_keeps_within_its_budget(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert lines <= 40, f"{node.name} has {lines} lines"


def modules_imported(path: Path) -> set[str]:
    """Name the modules of the package that one imports, also those that it takes as a name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sam_diffsr_cli"):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in NAMES else str(node.module) for name in names}
    return found


def test_modules_import_each_other_in_no_circle() -> None:
    """But for the package itself, which loads its face when it is used."""
    graph = {
        name: modules_imported(path) - {name, "sam_diffsr_cli"} for name, path in NAMES.items()
    }
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) == len(MODULES)


def test_what_is_for_the_terminal_alone_stays_small() -> None:
    lines = (path.read_text(encoding="utf-8").count("\n") for path in PACKAGE.glob("cli/*.py"))
    assert sum(lines) <= 2900


def lines_of_code(path: Path) -> list[tuple[int, str]]:
    """Number each line that is no import, text or remark, and more than a bracket."""
    text = path.read_text(encoding="utf-8")
    left_out: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, ast.stmt) and (
            is_text or isinstance(node, (ast.Import, ast.ImportFrom))
        ):
            left_out.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(map(str.strip, text.splitlines()), 1)
    return [
        (number, line)
        for number, line in lines
        if number not in left_out and len(line) > 3 and not line.startswith("#")
    ]


@pytest.mark.slow
@pytest.mark.parametrize("root", [PACKAGE, ROOT / "tests"], ids=["package", "tests"])
def test_no_six_lines_stand_twice(root: Path) -> None:
    """Names and numbers included: what differs in one of them is no copy."""
    places: dict[tuple[str, ...], str] = {}
    twice = []
    for path in sorted(root.rglob("*.py")):
        lines = lines_of_code(path)
        for start in range(len(lines) - COPY + 1):
            number, window = lines[start][0], tuple(line for _, line in lines[start : start + COPY])
            place = f"{path.relative_to(root)}:{number}"
            if places.setdefault(window, place) != place:
                twice.append(f"{place} is {places[window]}")
    assert not twice


def test_help_answers_without_heavy_imports() -> None:
    help_text, loaded = loaded_by("--help")
    assert "upscale" in help_text
    assert "typer" in loaded
    assert not loaded & HEAVY


def test_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == sam_diffsr_cli.__version__
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{sam_diffsr_cli.__version__}]" in changelog


def test_all_lists_name_what_is_defined() -> None:
    for path in MODULES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        defined = {
            name.id
            for node in tree.body
            if isinstance(node, (ast.Assign, ast.AnnAssign))
            for name in ast.walk(node)
            if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
        } | {n.name for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
        if path.parent == PACKAGE and path.name in {"__init__.py", "api.py"}:
            # The face gives what others define; that each can be had is tested where it is used.
            defined |= imported_names(tree)
        for node in tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                assert set(ast.literal_eval(node.value)) <= defined, path


@pytest.mark.parametrize("name", ROOMS)
def test_the_page_of_the_architecture_names_every_room(name: str) -> None:
    assert f"`{name}" in (PACKAGE / "docs" / "architecture.md").read_text(encoding="utf-8")
