"""The README and the pages that come with the package: they are found, lead on, and are true."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import sam_diffsr_cli
from sam_diffsr_cli import errors
from sam_diffsr_cli.cli.app import app
from sam_diffsr_cli.docs import read_page, topics
from sam_diffsr_cli.errors import InputError, SamsrError
from tests.helpers import loaded_by
from tests.workshop.tools.write_commands import PAGE, write_page

ROOT = Path(__file__).resolve().parents[1]
DOCS = Path(sam_diffsr_cli.__file__).parent / "docs"
PAGES = {page.stem: page for page in sorted(DOCS.glob("*.md"))}
BY_HAND = [page for name, page in PAGES.items() if name != "commands"]
READ = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES.values()]
OTHERS = {"--nproc-per-node", "--nnodes", "--node-rank", "--master-addr", "--master-port"}
"""Options of the programs that start samsr on several machines."""
ELSEWHERE = {"--convert-to-rle", "--num_processes"} | OTHERS


def commands(group: Any, prefix: str = "samsr") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        yield f"{prefix} {name}", command
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix} {name}")


COMMANDS = dict(commands(typer.main.get_command(app)))
RUN = [name for name, x in COMMANDS.items() if getattr(x, "invoke_without_command", True)]
OPTIONS = {
    name: {option for p in command.params for option in (*p.opts, *p.secondary_opts)} | {"--help"}
    for name, command in COMMANDS.items()
}
KNOWN = set().union(*OPTIONS.values()) | {"--version", "--install-completion"}


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as forges make them."""
    headings = re.findall(
        r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def lines_of_code(text: str) -> Iterator[str]:
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        yield from block.replace("\\\n", " ").splitlines()


def command_lines() -> list[tuple[str, str]]:
    """Return every line of the pages that runs samsr, and the command that it runs."""
    found = []
    for page in READ:
        for line in lines_of_code(page.read_text(encoding="utf-8")):
            _, samsr, rest = line.partition("samsr ")
            if samsr and not line.startswith(("python3 -m venv", "pip")):
                words = ["samsr", *shlex.split(rest, comments=True)]
                names = [" ".join(words[:n]) for n in (3, 2) if " ".join(words[:n]) in COMMANDS]
                found.append((names[0] if names else "", line))
    return found


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 200


def test_every_page_is_linked_from_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert {name for name in PAGES if f"(sam_diffsr_cli/docs/{name}.md" in text} == set(PAGES)


@pytest.mark.parametrize("page", READ, ids=lambda page: page.name)
def test_links_lead_to_what_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" not in target:
            name, _, anchor = target.partition("#")
            other = (page.parent / name).resolve() if name else page
            assert other.is_file(), target
            assert not anchor or anchor in anchors(other.read_text(encoding="utf-8")), target


@pytest.mark.parametrize("page", READ, ids=lambda page: page.name)
def test_options_that_are_named_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    if page.name == "CONTRIBUTING.md":
        text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)  # tools with options of their own
    text = "\n".join(
        x for x in text.splitlines() if "tests.workshop" not in x and "pytest" not in x
    )
    assert set(re.findall(r"(?<![\w-])--[a-z][\w-]*", text)) - ELSEWHERE <= KNOWN


@pytest.mark.parametrize(("command", "line"), command_lines())
def test_a_line_of_the_pages_gives_a_command_its_own_options(command: str, line: str) -> None:
    assert command, f"no command of samsr in: {line}"
    words = shlex.split(line.partition("samsr ")[2].partition("|")[0], comments=True)
    options = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert options <= OPTIONS[command] | {"--help"}


@pytest.mark.parametrize("command", RUN)
def test_a_command_is_in_a_page_that_is_written_by_hand(command: str) -> None:
    pages = (ROOT / "README.md", *BY_HAND)
    assert any(command in page.read_text(encoding="utf-8") for page in pages)


def test_the_page_of_commands_says_what_the_commands_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == write_page(), (
        "run: python -m tests.workshop.tools.write_commands"
    )


@pytest.mark.parametrize("command", RUN)
def test_the_page_of_commands_has_every_option_of_help(command: str) -> None:
    section = write_page().partition(f"\n## {command}\n")[2].partition("\n## ")[0]
    assert section
    for option in OPTIONS[command] - {"--help", "-h"}:
        if option.startswith("-"):
            assert f"`{option}`" in section, option


def test_the_page_of_exit_codes_is_true() -> None:
    rows = dict(
        line.strip("| ").split(" | ", 1)
        for line in PAGES["exit-codes"].read_text(encoding="utf-8").splitlines()
        if line.startswith("| ") and line[2].isdigit()
    )
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {kind.exit_code for kind in kinds if issubclass(kind, SamsrError)}
    assert {str(code) for code in codes} | {"0", "2"} == set(rows)


def test_help_lists_every_page_with_its_title() -> None:
    result = CliRunner().invoke(app, ["help"])
    shown = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert shown == topics()
    assert set(shown) == set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_help_shows_a_page(name: str) -> None:
    result = CliRunner().invoke(app, ["help", name])
    assert result.exit_code == 0
    assert result.stdout.startswith(f"# {topics()[name]}\n")
    headings = re.findall(r"^## .*$", PAGES[name].read_text(encoding="utf-8"), re.MULTILINE)
    assert re.findall(r"^## .*$", result.stdout, re.MULTILINE) == headings


def test_a_link_to_another_page_becomes_the_command_that_shows_it() -> None:
    page = read_page("upscaling")
    assert "formats (`samsr help formats`)" in page.lower()
    assert "](" not in re.sub(r"\]\(https?:[^)]*\)", "", page)


def test_a_terminal_gets_the_page_laid_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    result = CliRunner().invoke(app, ["help", "exit-codes"], env={"COLUMNS": "80"}, color=True)
    assert result.exit_code == 0
    assert "|---|" not in result.stdout
    assert "interrupted" in result.stdout


def test_an_unknown_topic_is_an_error_that_names_the_topics() -> None:
    result = CliRunner().invoke(app, ["help", "colours"])
    assert result.exit_code == InputError.exit_code
    assert "help colours: no such topic" in result.stderr
    assert all(name in result.stderr.replace("\n", " ") for name in PAGES)


def test_help_loads_nothing_heavy() -> None:
    text, loaded = loaded_by("help", "formats")
    assert "# Formats" in text
    assert not loaded & {"torch", "numpy", "PIL", "safetensors", "jinja2"}


def test_contributing_names_files_and_modules_that_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    paths = re.findall(r"`([\w./]+(?:/|\.py|\.md|\.toml))`", prose)
    modules = re.findall(r"python -m ([\w.]+)", text)
    found = [*paths, *(f"{name.replace('.', '/')}.py" for name in modules if "." in name)]
    assert len(found) > 30
    assert [
        each for each in found if not any((root / each).exists() for root in (ROOT, DOCS.parent))
    ] == []
