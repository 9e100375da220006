"""What a person does on a comparison page, and what is seen there."""

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.comparison import samples
from tests.comparison.browser import address_of

__all__ = [
    "CTRL",
    "HEIGHT",
    "WIDTH",
    "Viewer",
    "alternatives",
    "canvas",
    "choose_mode",
    "column",
    "drag",
    "labels_of",
    "mouse",
    "screenshot",
    "touch",
    "turn",
    "visit",
    "wait_for",
]

PATIENCE_S = 20.0
HEIGHT, WIDTH = samples.SIZE
CTRL = 2

PLACES = """
return [...arguments[0].querySelectorAll('.frame')].flatMap((frame) =>
  [...frame.querySelectorAll('.layer > *')].map((one) => {
    const box = one.getBoundingClientRect(), outer = frame.getBoundingClientRect();
    return [box.left - outer.left, box.top - outer.top, box.width, box.height];
  }));
"""
"""Where each panel lies in its frame."""


class Viewer:
    """One picture of an open page."""

    def __init__(self, driver: WebDriver, article: WebElement) -> None:
        self.driver = driver
        self.article = article

    def find(self, selector: str) -> WebElement:
        return self.article.find_element(By.CSS_SELECTOR, selector)

    def places(self) -> np.ndarray:
        found: list[list[float]] = self.driver.execute_script(PLACES, self.article)
        return np.array(found)

    def percent(self) -> int:
        return int(self.find(".percent").text.split()[0])

    def divider(self) -> int:
        return int(self.find(".handle").get_attribute("aria-valuenow") or -1)

    def box(self, selector: str) -> dict[str, float]:
        code = "return arguments[0].getBoundingClientRect().toJSON()"
        found: dict[str, float] = self.driver.execute_script(code, self.find(selector))
        return found

    def middle(self, selector: str = ".frame") -> tuple[float, float]:
        box = self.box(selector)
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def press(self, *keys: str) -> None:
        for key in keys:
            self.find(".panes").send_keys(key)

    def point(self) -> np.ndarray:
        """The point of the picture, in its pixels, that is in the middle of its frame."""
        left, top, width, _ = self.places()[0]
        frame = self.box(".frame")
        scale = width / WIDTH
        middle = np.array([frame["width"] / 2 - left, frame["height"] / 2 - top])
        return np.asarray(middle / scale)


def mouse(driver: WebDriver, kind: str, x: float, y: float, **more: Any) -> None:
    told: dict[str, Any] = {"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1} | more
    driver.execute_cdp_cmd("Input.dispatchMouseEvent", told)


def drag(driver: WebDriver, start: tuple[float, float], by: tuple[float, float]) -> None:
    mouse(driver, "mousePressed", *start)
    for share in (0.25, 0.5, 1.0):
        mouse(driver, "mouseMoved", start[0] + share * by[0], start[1] + share * by[1], buttons=1)
    mouse(driver, "mouseReleased", start[0] + by[0], start[1] + by[1])


def turn(driver: WebDriver, at: tuple[float, float], delta: float, modifiers: int = 0) -> None:
    more: dict[str, Any] = {"deltaX": 0, "deltaY": delta, "modifiers": modifiers, "button": "none"}
    mouse(driver, "mouseWheel", *at, **more)


def touch(driver: WebDriver, kind: str, *points: tuple[float, float]) -> None:
    told = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
    driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": told})


def wait_for(driver: WebDriver, holds: Callable[[], bool]) -> None:
    WebDriverWait(driver, PATIENCE_S, poll_frequency=0.02).until(lambda _: holds())


def visit(driver: WebDriver, path: Path, number: int = 1) -> Viewer:
    """Open a page, and wait until one of its pictures is drawn in the window."""
    driver.get(address_of(path))
    article = driver.find_element(By.ID, f"picture-{number}")
    driver.execute_script("arguments[0].scrollIntoView()", article)
    wait_for(driver, lambda: article.get_attribute("data-state") == "drawn")
    return Viewer(driver, article)


def choose_mode(viewer: Viewer, mode: str) -> None:
    radio = viewer.driver.find_element(By.CSS_SELECTOR, f'[name="mode"][value="{mode}"]')
    viewer.driver.execute_script("arguments[0].click()", radio)
    panes = {"slider": 1, "all": 4, "difference": 3}[mode]
    wait_for(viewer.driver, lambda: len(viewer.places()) == panes + (mode == "slider"))


def screenshot(viewer: Viewer, selector: str = ".frame") -> np.ndarray:
    """What is on the screen of an element, ``(H, W, 3)`` uint8."""
    box = viewer.box(selector)
    scroll = viewer.driver.execute_script("return [scrollX, scrollY]")
    clip = {"x": box["x"] + scroll[0], "y": box["y"] + scroll[1], "scale": 1}
    clip |= {"width": box["width"], "height": box["height"]}
    shot = viewer.driver.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip})
    with Image.open(io.BytesIO(base64.b64decode(shot["data"]))) as image:
        return np.asarray(image.convert("RGB"))


def canvas(viewer: Viewer, index: int) -> np.ndarray:
    code = """
    const canvas = arguments[0].querySelectorAll('.layer canvas')[arguments[1]];
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return [...data];
    """
    data = viewer.driver.execute_script(code, viewer.article, index)
    return np.array(data).reshape(HEIGHT, WIDTH, 4)[..., :3]


def labels_of(viewer: Viewer) -> list[str]:
    found = viewer.article.find_elements(By.CSS_SELECTOR, ".layer canvas")
    return [each.get_attribute("aria-label") or "" for each in found]


def alternatives(viewer: Viewer) -> dict[str, str]:
    return {
        side: viewer.find(f".{side} img").get_attribute("alt") or "" for side in ("over", "under")
    }


def column(driver: WebDriver, selector: str, index: int) -> list[str]:
    rows = driver.find_elements(By.CSS_SELECTOR, f"{selector} tbody tr")
    return [row.find_elements(By.CSS_SELECTOR, "th, td")[index].text for row in rows]
