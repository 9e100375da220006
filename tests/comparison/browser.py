"""A headless Chromium to look at pages with, which can reach nothing but files."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.chrome.webdriver import WebDriver

__all__ = [
    "address_of",
    "find_browser",
    "log_of",
    "open_browser",
    "requests_of",
    "set_features",
    "set_size",
]

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    # Whatever is asked for outside, it does not get.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)


def find_browser() -> tuple[str, str] | None:
    """Return the programs of Chromium and of its driver, if both are installed."""
    browser = next((path for name in NAMES if (path := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    return None if browser is None or driver is None else (browser, driver)


@contextmanager
def open_browser() -> Iterator[WebDriver]:
    """Start Chromium with an empty profile; its logs keep what is asked for and complained of."""
    found = find_browser()
    assert found is not None, "Chromium and chromedriver are not installed"
    options = webdriver.ChromeOptions()
    options.binary_location = found[0]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = webdriver.Chrome(options=options, service=Service(found[1]))
        try:
            yield driver
        finally:
            driver.quit()


def set_size(driver: WebDriver, width: int, height: int, *, is_touched: bool = False) -> None:
    """Give the window a size in CSS pixels, and a finger in the place of a mouse."""
    size: dict[str, Any] = {"width": width, "height": height, "deviceScaleFactor": 1}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size | {"mobile": is_touched})
    driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": is_touched})


def set_features(driver: WebDriver, **features: str) -> None:
    """Set media features, with _ for -: ``prefers_color_scheme="dark"``."""
    told = [{"name": k.replace("_", "-"), "value": v} for k, v in features.items()]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": told})


def requests_of(driver: WebDriver) -> list[str]:
    """Return the addresses that were asked for since the last call."""
    entries = (json.loads(entry["message"])["message"] for entry in log_of(driver, "performance"))
    return [
        entry["params"]["request"]["url"]
        for entry in entries
        if entry["method"] == "Network.requestWillBeSent"
    ]


def log_of(driver: WebDriver, kind: Literal["browser", "performance"]) -> list[dict[str, Any]]:
    """Return what a log has taken down since the last call."""
    entries: list[dict[str, Any]] = driver.get_log(kind)  # type: ignore[no-untyped-call] # selenium
    return entries


def address_of(path: Path) -> str:
    """Return the address of a file."""
    return path.absolute().as_uri()
