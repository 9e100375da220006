"""``samsr help``: the pages of the documentation, in the terminal."""

from typing import Annotated

import typer
from rich.console import Console

from sam_diffsr_cli.cli.console import print_result
from sam_diffsr_cli.docs import read_page, topics

__all__ = ["show_help"]


def show_help(
    topic: Annotated[str | None, typer.Argument(help="One of those that samsr help lists.")] = None,
) -> None:
    """Show a page of the documentation, or list what there is.

    Example: samsr help
    Example: samsr help formats
    Example: samsr help exit-codes | less
    """
    if topic is None:
        for name, title in topics().items():
            print_result(f"{name:<16}{title}")
        return
    page = read_page(topic)
    console = Console(emoji=False)
    if console.is_terminal:
        from rich.markdown import Markdown

        console.print(Markdown(page))
    else:
        print_result(page.rstrip())
