"""The pages of places as a person meets them: in Chromium, on a desk and on a phone."""

from pathlib import Path

import numpy as np
import pytest

from sam_diffsr_cli.comparison.page import write_page
from sam_diffsr_cli.comparison.records import ComparedPicture, Page, PageChoice

pytest.importorskip("selenium", reason="selenium is not installed")

from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.comparison.browser import address_of, log_of, requests_of, set_size

pytestmark = [pytest.mark.slow, pytest.mark.browser]

LONG = "a name that is longer than any phone is wide, and then some more of it, twice over.jpg"
CHOICES = (
    PageChoice("default", "about 12 min", "samsr upscale 'my cat.jpg' 'my cat-x4.jpg'"),
    PageChoice("fast", "about 40 s", f"samsr upscale '{LONG}' big.jpg --quality fast"),
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)

    def pixels() -> np.ndarray:
        return rng.integers(0, 256, (192, 192, 3), dtype=np.uint8)

    labels = ("bicubic", "fast", "default")
    facts = (("LR-PSNR", "47.12 dB"), ("Taken for", "a JPEG of quality 75"))
    pictures = [
        ComparedPicture(f"{LONG}, {why}", {label: pixels() for label in labels}, facts)
        for why in ("finest detail", "most compression and noise")
    ]
    page = Page(title=LONG, methods=labels, pictures=pictures, choices=CHOICES, facts=facts)
    target = tmp_path_factory.mktemp("page") / "page.html"
    write_page(page, target)
    return target


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window(browser: WebDriver, path: Path, width: int) -> None:
    set_size(browser, width, 800, is_touched=width < 1000)
    browser.get(address_of(path))
    assert browser.execute_script("return document.documentElement.scrollWidth") == width
    assert log_of(browser, "browser") == []
    asked = {address.partition(":")[0] for address in requests_of(browser)}
    assert not asked & {"http", "https"}


@pytest.mark.parametrize("width", [1280, 390])
def test_each_choice_is_shown_whole(browser: WebDriver, path: Path, width: int) -> None:
    set_size(browser, width, 800, is_touched=width < 1000)
    browser.get(address_of(path))
    items = browser.find_elements(By.CSS_SELECTOR, ".choices li")
    for item, choice in zip(items, CHOICES, strict=True):
        for part in choice:
            assert part in item.text.replace("\n", " ")
        code = item.find_element(By.TAG_NAME, "code")
        inside = "return arguments[0].getBoundingClientRect().right <= innerWidth"
        assert browser.execute_script(inside, code)


def test_a_command_is_copied_by_a_key(browser: WebDriver, path: Path) -> None:
    set_size(browser, 1280, 800)
    browser.get(address_of(path))
    script = (
        "window.copied = []; Object.defineProperty(navigator, 'clipboard', {value: "
        "{writeText: async (text) => { window.copied.push(text); }}, configurable: true});"
    )
    browser.execute_script(script)
    button = browser.find_elements(By.CSS_SELECTOR, ".choices .copy")[1]
    button.send_keys(Keys.ENTER)
    assert browser.execute_script("return window.copied") == [CHOICES[1].command]
    assert button.text == "Copied"


def test_what_is_known_of_a_picture_stands_beside_it(browser: WebDriver, path: Path) -> None:
    set_size(browser, 1280, 800)
    browser.get(address_of(path))
    side = browser.find_element(By.CSS_SELECTOR, "article.picture .side")
    assert "47.12 dB" in side.text
