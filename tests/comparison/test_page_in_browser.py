"""The comparison page as a person meets it: in Chromium, with mouse, touch and keys."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.comparison import samples

pytest.importorskip("selenium", reason="selenium is not installed")

from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from tests.comparison.browser import address_of, log_of, requests_of, set_features, set_size
from tests.comparison.viewing import (
    CTRL,
    HEIGHT,
    WIDTH,
    Viewer,
    alternatives,
    canvas,
    choose_mode,
    column,
    drag,
    labels_of,
    mouse,
    screenshot,
    touch,
    turn,
    visit,
    wait_for,
)

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return samples.write(tmp_path_factory.mktemp("page") / "page.html")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page without truth and numbers."""
    changes: dict[str, Any] = {"pictures": samples.pictures(1), "truth": None}
    changes |= {"rows": (), "curves": (), "metrics": ()}
    return samples.write(tmp_path_factory.mktemp("bare") / "page.html", **changes)


@pytest.fixture
def viewer(browser: WebDriver, path: Path) -> Viewer:
    return visit(browser, path)


# The divider


def test_the_divider_follows_the_mouse(viewer: Viewer) -> None:
    before = viewer.divider()
    drag(viewer.driver, viewer.middle(".grip"), (viewer.box(".frame")["width"] / 4, 0))
    assert (before, viewer.divider()) == (50, 75)


def test_the_divider_follows_a_finger(browser: WebDriver, path: Path) -> None:
    set_size(browser, 400, 800, is_touched=True)
    viewer = visit(browser, path)
    (x, y), width = viewer.middle(".grip"), viewer.box(".frame")["width"]
    touch(browser, "touchStart", (x, y))
    touch(browser, "touchMove", (x - width / 8, y))
    touch(browser, "touchMove", (x - width / 4, y))
    touch(browser, "touchEnd")
    assert viewer.divider() == 25


def test_the_divider_follows_keys_and_says_so(viewer: Viewer) -> None:
    handle = viewer.find(".handle")
    handle.send_keys(Keys.ARROW_RIGHT)
    after_one = viewer.divider()
    handle.send_keys(Keys.END)
    assert (after_one, viewer.divider()) == (52, 100)
    assert handle.get_attribute("aria-valuetext") == "100 percent from the left"


def test_each_side_of_the_divider_shows_its_own_method(viewer: Viewer) -> None:
    shown = screenshot(viewer)
    (left, top, width, _), made = viewer.places()[0], samples.panels(0)
    scale = round(width / WIDTH)
    row, edge = HEIGHT // 2, shown.shape[1] // 2
    for method, columns in (("bicubic", range(60)), ("default", range(130, WIDTH))):
        at = [int(left + scale * (column + 0.5)) for column in columns]
        assert all(x < edge - 20 if method == "bicubic" else x > edge + 20 for x in at)
        np.testing.assert_array_equal(
            shown[int(top + scale * (row + 0.5)), at], made[method][row, list(columns)]
        )


# Zooming and moving


@pytest.mark.parametrize("mode", ["slider", "all", "difference"])
def test_all_panels_stay_in_step(viewer: Viewer, mode: str) -> None:
    choose_mode(viewer, mode)
    fitted = viewer.places()
    turn(viewer.driver, viewer.middle(), -300, CTRL)
    viewer.press(Keys.ARROW_LEFT, Keys.ARROW_UP)
    moved = viewer.places()
    assert (moved[:, 2] > 1.5 * fitted[:, 2]).all()
    assert len(moved) > 1
    np.testing.assert_array_equal(moved, np.broadcast_to(moved[0], moved.shape))


def test_what_is_under_the_mouse_stays_there_while_the_wheel_zooms(viewer: Viewer) -> None:
    frame = viewer.box(".frame")
    at = frame["x"] + 0.55 * frame["width"], frame["y"] + 0.6 * frame["height"]

    def under() -> np.ndarray:
        left, top, width, _ = viewer.places()[0]
        inner = np.array([at[0] - frame["x"] - left, at[1] - frame["y"] - top])
        return np.asarray(inner * WIDTH / width)

    before, percent = under(), viewer.percent()
    turn(viewer.driver, at, -480, CTRL)
    assert viewer.percent() >= 2 * percent
    np.testing.assert_allclose(under(), before, atol=0.5)


def test_the_wheel_scrolls_the_page_until_the_picture_is_clicked(viewer: Viewer) -> None:
    percent, scrolled = viewer.percent(), viewer.driver.execute_script("return scrollY")
    turn(viewer.driver, viewer.middle(), -120)
    wait_for(viewer.driver, lambda: viewer.driver.execute_script("return scrollY") < scrolled)
    assert viewer.percent() == percent
    viewer.driver.execute_script("arguments[0].focus()", viewer.find(".panes"))
    turn(viewer.driver, viewer.middle(), -240)
    assert viewer.percent() == 2 * percent


def test_dragging_moves_an_enlarged_picture(viewer: Viewer) -> None:
    viewer.press("+", "+", "+")
    before, scale = viewer.point(), viewer.places()[0][2] / WIDTH
    x, y = viewer.middle()
    drag(viewer.driver, (x + 60, y), (-40, 20))
    np.testing.assert_allclose(viewer.point() - before, np.array([40, -20]) / scale, atol=0.6)


def test_two_fingers_zoom(browser: WebDriver, path: Path) -> None:
    set_size(browser, 400, 800, is_touched=True)
    viewer = visit(browser, path)
    before, (x, y) = viewer.percent(), viewer.middle()
    touch(browser, "touchStart", (x - 30, y), (x + 30, y))
    for apart in (50, 70, 90):
        touch(browser, "touchMove", (x - apart, y), (x + apart, y))
    touch(browser, "touchEnd")
    # The first move starts the gesture in the browser, and may be kept by it.
    assert viewer.percent() >= 1.7 * before


def test_keys_zoom_fit_and_move(viewer: Viewer) -> None:
    fitted, places = viewer.percent(), viewer.places()
    viewer.press("+")
    enlarged = viewer.percent()
    viewer.press("+", "+", "-")
    before = viewer.point()
    viewer.press(Keys.ARROW_RIGHT)
    assert viewer.point()[0] > before[0]
    viewer.press("0")
    assert fitted < enlarged
    assert viewer.percent() == fitted
    np.testing.assert_array_equal(viewer.places(), places)


def test_buttons_zoom(viewer: Viewer) -> None:
    fitted = viewer.percent()
    viewer.find('[data-do="in"]').click()
    enlarged = viewer.percent()
    viewer.find('[data-do="fit"]').click()
    assert (enlarged > fitted, viewer.percent()) == (True, fitted)


def test_a_double_click_zooms_and_goes_back(viewer: Viewer) -> None:
    choose_mode(viewer, "all")
    fitted, at = viewer.percent(), viewer.middle()
    for expected in (4 * fitted, fitted):
        for count in (1, 2):
            mouse(viewer.driver, "mousePressed", *at, clickCount=count)
            mouse(viewer.driver, "mouseReleased", *at, clickCount=count)
        assert viewer.percent() == expected


def test_pixels_are_drawn_as_squares(viewer: Viewer) -> None:
    choose_mode(viewer, "all")
    viewer.press("+", "+", "+")
    (left, top, width, _), shown = viewer.places()[3], screenshot(viewer, ".frame:nth-child(4)")
    scale = round(width / WIDTH)
    truth = samples.panels(0)[samples.TRUTH].repeat(scale, axis=0).repeat(scale, axis=1)
    x, y = round(-left), round(-top)
    # Without the label at the bottom.
    height = shown.shape[0] - 50
    assert scale >= 3
    np.testing.assert_array_equal(shown[:height], truth[y : y + height, x : x + shown.shape[1]])


# Places that differ most


def test_a_click_on_a_place_goes_there(viewer: Viewer) -> None:
    viewer.find(".crop").click()
    top, left, side = samples.SPOT
    x, y = viewer.point()
    assert abs(x - (left + side / 2)) < 24
    assert abs(y - (top + side / 2)) < 24
    assert viewer.percent() >= 300
    assert viewer.find(".crop").get_attribute("aria-pressed") == "true"


def test_the_chosen_place_and_zoom_are_told(viewer: Viewer) -> None:
    viewer.press("]")
    told = viewer.driver.find_element(By.ID, "told")
    wait_for(viewer.driver, lambda: "place 1 of" in (told.get_attribute("textContent") or ""))
    text = told.get_attribute("textContent") or ""
    assert text.startswith("butterfly, place 1 of ")
    assert text.endswith(f"zoom {viewer.percent()} %")


def test_a_place_is_kept_when_the_mode_changes(viewer: Viewer) -> None:
    viewer.find(".crop").click()
    before = viewer.point()
    choose_mode(viewer, "all")
    np.testing.assert_allclose(viewer.point(), before, atol=20)
    assert viewer.find(".crop").get_attribute("aria-pressed") == "true"


# Methods and modes


def test_any_two_panels_can_be_chosen(viewer: Viewer) -> None:
    Select(viewer.driver.find_element(By.ID, "left")).select_by_visible_text("truth")
    Select(viewer.driver.find_element(By.ID, "right")).select_by_visible_text("steps 0")
    wait_for(viewer.driver, lambda: len(viewer.places()) == 2)
    assert alternatives(viewer) == {"over": "butterfly, truth", "under": "butterfly, steps 0"}


def test_the_same_method_on_both_sides_swaps_them(viewer: Viewer) -> None:
    Select(viewer.driver.find_element(By.ID, "left")).select_by_visible_text("default")
    wait_for(viewer.driver, lambda: len(viewer.places()) == 2)
    assert alternatives(viewer) == {"over": "butterfly, default", "under": "butterfly, bicubic"}


def test_keys_choose_methods(viewer: Viewer) -> None:
    viewer.press("4")
    viewer.press("x")
    wait_for(viewer.driver, lambda: len(viewer.places()) == 2)
    assert alternatives(viewer) == {"over": "butterfly, truth", "under": "butterfly, bicubic"}


def test_side_by_side_shows_all_panels_by_name(viewer: Viewer) -> None:
    choose_mode(viewer, "all")
    tags = [tag.text for tag in viewer.article.find_elements(By.CLASS_NAME, "tag")]
    texts = [
        image.get_attribute("alt")
        for image in viewer.article.find_elements(By.CSS_SELECTOR, ".layer img")
    ]
    assert tags == [*samples.METHODS, samples.TRUTH]
    assert texts == [f"butterfly, {tag}" for tag in tags]


def test_the_error_map_is_the_amplified_difference_to_the_truth(viewer: Viewer) -> None:
    choose_mode(viewer, "difference")
    made = samples.panels(0)
    for index, method in enumerate(samples.METHODS):
        wrong = np.abs(made[method].astype(int) - made[samples.TRUTH])
        np.testing.assert_array_equal(canvas(viewer, index), (8 * wrong).clip(0, 255))


def test_the_amplification_can_be_chosen(viewer: Viewer) -> None:
    choose_mode(viewer, "difference")
    Select(viewer.driver.find_element(By.ID, "gain")).select_by_visible_text("2 times")
    wait_for(viewer.driver, lambda: "2 times" in labels_of(viewer)[0])
    made = samples.panels(0)
    wrong = np.abs(made["default"].astype(int) - made[samples.TRUTH])
    np.testing.assert_array_equal(canvas(viewer, 2), (2 * wrong).clip(0, 255))
    assert labels_of(viewer)[2] == "butterfly, difference of default and truth, 2 times amplified"


def test_without_truth_the_error_map_is_between_left_and_right(
    browser: WebDriver, bare: Path
) -> None:
    viewer = visit(browser, bare)
    viewer.press("d")
    wait_for(browser, lambda: len(viewer.article.find_elements(By.TAG_NAME, "canvas")) > 0)
    wait_for(browser, lambda: len(labels_of(viewer)) == 1)
    made = samples.panels(0)
    wrong = np.abs(made["bicubic"].astype(int) - made["default"])
    np.testing.assert_array_equal(canvas(viewer, 0), (8 * wrong).clip(0, 255))


# Tables


def test_a_table_sorts_by_numbers_both_ways(viewer: Viewer) -> None:
    table = '[data-metric="PSNR-Y"] table'
    head = viewer.driver.find_elements(By.CSS_SELECTOR, f"{table} thead th")[1]
    for direction, expected in (
        ("descending", ["29.00", "27.00", "25.00"]),
        ("ascending", ["25.00", "27.00", "29.00"]),
    ):
        viewer.driver.execute_script(
            "arguments[0].click()", head.find_element(By.TAG_NAME, "button")
        )
        assert column(viewer.driver, table, 1) == expected
        assert head.get_attribute("aria-sort") == direction


def test_a_metric_is_chosen_for_the_table_of_all_pictures(viewer: Viewer) -> None:
    Select(viewer.driver.find_element(By.CSS_SELECTOR, ".every select")).select_by_index(1)
    shown = [t.is_displayed() for t in viewer.driver.find_elements(By.CLASS_NAME, "metric")]
    assert shown == [False, True]


def test_a_name_in_the_table_goes_to_the_picture(viewer: Viewer) -> None:
    link = viewer.driver.find_element(By.CSS_SELECTOR, '[data-picture="baby"]')
    viewer.driver.execute_script("arguments[0].click()", link)
    active = viewer.driver.switch_to.active_element
    assert (active.get_attribute("aria-label") or "").startswith("baby: ")
    top = viewer.driver.execute_script("return arguments[0].getBoundingClientRect().top", active)
    assert 0 <= top < 300


# The page as a whole


def test_nothing_leaves_the_file(browser: WebDriver, path: Path) -> None:
    viewer = visit(browser, path)
    choose_mode(viewer, "all")
    choose_mode(viewer, "difference")
    asked = [url for url in requests_of(browser) if not url.startswith("blob:")]
    assert asked == [address_of(path)]


def test_pictures_beside_the_page_are_shown(browser: WebDriver, tmp_path: Path) -> None:
    path = samples.write(tmp_path / "a page.html", beside=True)
    viewer = visit(browser, path)
    choose_mode(viewer, "difference")
    shown = screenshot(viewer, ".frame:nth-child(1)")
    (left, top, width, _), made = viewer.places()[0], samples.panels(0)
    wrong = (8 * np.abs(made["bicubic"].astype(int) - made[samples.TRUTH])).clip(0, 255)
    scale = round(width / WIDTH)
    at = [int(left + scale * (column + 0.5)) for column in range(WIDTH)]
    np.testing.assert_array_equal(shown[int(top + scale * 20.5), at], wrong[20])
    asked = [url for url in requests_of(browser) if url != address_of(path)]
    assert asked
    assert all(url.startswith(f"{address_of(tmp_path)}/a%20page_files/") for url in asked)


def test_a_damaged_panel_is_told_and_the_others_are_shown(
    browser: WebDriver, tmp_path: Path
) -> None:
    path = samples.write(tmp_path / "page.html", beside=True)
    for lost in (tmp_path / "page_files").glob("0001-00-*"):
        lost.unlink()
    viewer = visit(browser, path)
    assert viewer.find(".over").text == "bicubic cannot be shown."
    assert viewer.find(".under img").get_attribute("alt") == "butterfly, default"
    # The browser tells of the lost file; that is no error of the page.
    assert "ERR_FILE_NOT_FOUND" in log_of(browser, "browser")[0]["message"]


def test_only_pictures_near_the_window_are_decoded(browser: WebDriver, tmp_path: Path) -> None:
    path = samples.write(tmp_path / "page.html", pictures=samples.pictures(12), rows=())
    viewer = visit(browser, path)
    count = "return document.querySelectorAll('.layer img').length"
    assert 2 <= browser.execute_script(count) <= 12
    far = browser.find_element(By.ID, "picture-12")
    assert far.get_attribute("data-state") is None
    browser.execute_script("arguments[0].scrollIntoView()", far)
    wait_for(browser, lambda: far.get_attribute("data-state") == "drawn")
    assert viewer.article.find_elements(By.TAG_NAME, "img") == []


def test_the_theme_follows_the_system_and_the_button(browser: WebDriver, path: Path) -> None:
    set_features(browser, prefers_color_scheme="dark")
    visit(browser, path)
    paper = "return getComputedStyle(document.body).backgroundColor"
    button = browser.find_element(By.ID, "theme")
    dark, pressed = browser.execute_script(paper), button.get_attribute("aria-pressed")
    browser.execute_script("arguments[0].click()", button)
    assert (dark, pressed) == ("rgb(20, 24, 29)", "true")
    assert browser.execute_script(paper) == "rgb(255, 255, 255)"
    assert button.get_attribute("aria-pressed") == "false"


@pytest.mark.parametrize(("motion", "moves"), [("reduce", False), ("no-preference", True)])
def test_panels_glide_only_where_motion_is_welcome(
    browser: WebDriver, path: Path, motion: str, moves: bool
) -> None:
    set_features(browser, prefers_reduced_motion=motion)
    viewer = visit(browser, path)
    code = """
    arguments[0].classList.add('gliding');
    return getComputedStyle(arguments[0].querySelector('img')).transitionDuration;
    """
    duration = browser.execute_script(code, viewer.find(".panes"))
    assert ("0.2s" in duration) is moves


CUT = """
const cut = [];
for (const one of document.querySelectorAll('body *')) {
  const style = getComputedStyle(one);
  const box = one.getBoundingClientRect();
  const hasText = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (!hasText || !box.width || one.closest('.unseen, .skip, script, svg, select')) continue;
  const isTooWide = one.scrollWidth > one.clientWidth + 1 && style.overflowX !== 'visible';
  if (isTooWide) cut.push(one.outerHTML);
  if (box.right > innerWidth + 1 || box.left < -1) cut.push(one.outerHTML);
}
return [document.scrollingElement.scrollWidth, cut];
"""


@pytest.mark.parametrize("mode", ["slider", "all", "difference"])
def test_no_text_is_cut_off_on_a_narrow_screen(browser: WebDriver, path: Path, mode: str) -> None:
    set_size(browser, 400, 800, is_touched=True)
    viewer = visit(browser, path)
    choose_mode(viewer, mode)
    browser.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    assert browser.execute_script(CUT) == [400, []]


AT = """
const box = arguments[0].querySelector('.frame').getBoundingClientRect();
return [box.left + scrollX, box.top + scrollY].map((at) => at * devicePixelRatio);
"""


def toggle(driver: WebDriver, index: int, *, opens: bool) -> None:
    """Open or close one of the page's details, and wait until the page was told."""
    code = """
    const [index, opens, done] = arguments, one = document.querySelectorAll('details')[index];
    if (one.open === opens) return done();
    one.addEventListener('toggle', () => done(), { once: true });
    one.open = opens;
    """
    driver.execute_async_script(code, index, opens)


@pytest.mark.parametrize("ratio", [1, 1.5, 2])
@pytest.mark.parametrize("width", [1200, 397])
def test_panes_lie_on_pixels_of_the_screen_whatever_is_opened_above(
    browser: WebDriver, path: Path, width: int, ratio: float
) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": ratio, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    viewer = visit(browser, path)
    count = len(browser.find_elements(By.TAG_NAME, "details"))
    assert count > 1
    places = []
    for opens in (True, False):
        for index in range(count):
            toggle(browser, index, opens=opens)
            at = np.array(browser.execute_script(AT, viewer.article))
            np.testing.assert_allclose(at, at.round(), atol=0.02)
            places.append(at[1])
    # They were moved.
    assert len(set(np.round(places))) > 2


def test_everything_to_press_has_a_name_and_shows_its_focus(viewer: Viewer) -> None:
    code = """
    const seen = [...document.querySelectorAll(
      'button, select, input, a[href], summary, [tabindex="0"]')]
      .filter((one) => one.getClientRects().length);
    return seen.map((one) => {
      one.focus({ focusVisible: true });
      const shown = [one, one.nextElementSibling, one.firstElementChild].filter(Boolean);
      return [
        one.getAttribute('aria-label') || one.textContent.trim() || one.labels?.[0]?.textContent,
        shown.some((each) => parseFloat(getComputedStyle(each).outlineWidth) >= 2
          && getComputedStyle(each).outlineStyle !== 'none'),
        one.outerHTML.slice(0, 90),
      ];
    });
    """
    found = viewer.driver.execute_script(code)
    assert len(found) > 20
    assert [html for name, has_outline, html in found if not name or not has_outline] == []
