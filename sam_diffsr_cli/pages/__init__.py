"""HTML pages from templates, in one look for all of them.

Every value is escaped, unless it was made by a template itself.
"""

from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

__all__ = ["look", "render"]

_PAGES = Environment(
    loader=PackageLoader("sam_diffsr_cli", "."),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def render(template: str, **values: object) -> Markup:
    """Fill a template, named by its path below the package, such as ``training/assets/x.html``."""
    return Markup(_PAGES.get_template(template).render(values))  # noqa: S704 - it was escaped


def look() -> str:
    """Return the style sheet that all pages share: colours, headings, facts, tables, charts."""
    return (files(__name__) / "look.css").read_text(encoding="utf-8")
