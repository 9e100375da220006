"""The browser of the comparison page's tests, for the pages of places."""

from tests.comparison.conftest import browser, chromium

__all__ = ["browser", "chromium"]
