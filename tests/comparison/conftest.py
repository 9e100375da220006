"""One browser for all tests of the page; without Chromium, chromedriver or selenium they skip."""

import importlib.util
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selenium.webdriver.chrome.webdriver import WebDriver


@pytest.fixture(scope="session")
def chromium() -> "Iterator[WebDriver]":
    """A browser, started once."""
    if importlib.util.find_spec("selenium") is None:
        pytest.skip("selenium is not installed")
    from tests.comparison.browser import find_browser, open_browser

    if find_browser() is None:
        pytest.skip("Chromium and chromedriver are not installed")
    with open_browser() as driver:
        yield driver


@pytest.fixture
def browser(chromium: "WebDriver") -> "Iterator[WebDriver]":
    """The browser in a window of a desk, with nothing emulated, and with empty logs."""
    from tests.comparison.browser import log_of, requests_of, set_features, set_size

    set_size(chromium, 1200, 900)
    set_features(chromium, prefers_color_scheme="light", prefers_reduced_motion="reduce")
    chromium.get("about:blank")
    log_of(chromium, "browser")
    requests_of(chromium)
    yield chromium
    assert [entry["message"] for entry in log_of(chromium, "browser")] == []
