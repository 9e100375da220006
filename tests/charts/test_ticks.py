"""Ticks are round, few and inside; numbers read back as what they stand for."""

import itertools
import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sam_diffsr_cli.charts.ticks import format_number, linear_ticks, log_ticks

ENDS = st.floats(-1e12, 1e12).filter(lambda value: value == 0 or abs(value) > 1e-12)
POWERS = st.floats(-140, 140)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (math.nan, "-"),
        (math.inf, "-"),
        (0, "0"),
        (0.5, "0.5"),
        (12_000, "12,000"),
        (400_000.0, "400,000"),
        (-1234.5, "-1,234.5"),
        (0.00025, "0.00025"),
        (3e-5, "3e-5"),
        (1.25e-10, "1.25e-10"),
        (1e9, "1e9"),
        (2.5e38, "2.5e38"),
        (99_999.99999, "100,000"),
    ],
)
def test_a_number_is_written_as_people_write_it(value: float | None, text: str) -> None:
    assert format_number(value) == text


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (27.123456, 4, "27.12"),
        (0.0123456, 3, "0.0123"),
        (1234.5, 2, "1,234"),
        (2e-7 / 3, 2, "6.7e-8"),
    ],
)
def test_a_number_has_as_many_digits_as_asked_for(value: float, digits: int, text: str) -> None:
    assert format_number(value, digits) == text


def number_in(label: str) -> float:
    return float(label.replace(",", ""))


def is_round(step: float) -> bool:
    """Whether a number is 1, 2 or 5 times a power of ten."""
    leading = step / 10.0 ** math.floor(math.log10(step * (1 + 1e-9)))
    return any(math.isclose(leading, one, rel_tol=1e-6) for one in (1, 2, 5))


@settings(deadline=None)
@given(low=ENDS, high=ENDS, most=st.integers(2, 10))
def test_linear_ticks_are_few_round_inside_and_labelled(low: float, high: float, most: int) -> None:
    low, high = min(low, high), max(low, high)
    assume(high - low > 1e-6 * max(abs(low), abs(high)))
    ticks = linear_ticks(low, high, most)
    values, labels = [value for value, _ in ticks], [label for _, label in ticks]
    span = high - low
    assert 1 <= len(ticks) <= most
    assert all(low - 1e-6 * span <= value <= high + 1e-6 * span for value in values)
    assert len(set(labels)) == len(labels)
    for value, label in ticks:
        assert number_in(label) == pytest.approx(value, abs=1e-6 * span)
    for one, other in itertools.pairwise(values):
        assert is_round(other - one)


@settings(deadline=None)
@given(low=POWERS, span=st.floats(0.02, 100), most=st.integers(3, 10))
def test_log_ticks_are_few_inside_and_rising(low: float, span: float, most: int) -> None:
    bounds = 10**low, 10 ** (low + span)
    values = [value for value, _ in log_ticks(*bounds, most)]
    assert 1 <= len(values) <= most
    assert values == sorted(set(values))
    assert bounds[0] * (1 - 1e-6) <= values[0]
    assert values[-1] <= bounds[1] * (1 + 1e-6)


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.004, 0.15, ["0.005", "0.01", "0.02", "0.05", "0.1"]),
        (0.0009, 1.2, ["0.001", "0.01", "0.1", "1"]),
        (1e-9, 11.0, ["1e-9", "1e-7", "1e-5", "0.001", "0.1", "10"]),
        (0.12, 0.9, ["0.2", "0.4", "0.6", "0.8"]),
        (0.21, 0.26, ["0.21", "0.22", "0.23", "0.24", "0.25", "0.26"]),
    ],
    ids=["1-2-5", "powers", "every second power", "within one power", "close"],
)
def test_log_ticks_fit_the_span(low: float, high: float, labels: list[str]) -> None:
    assert [label for _, label in log_ticks(low, high, 6)] == labels


def test_small_ticks_are_written_like_the_larger_ones_beside_them() -> None:
    labels = [label for _, label in linear_ticks(0, 0.0003, 8)]
    assert labels == ["0", "0.00005", "0.0001", "0.00015", "0.0002", "0.00025", "0.0003"]


def test_ticks_far_from_zero_differ() -> None:
    labels = [label for _, label in linear_ticks(27.12341, 27.12343, 3)]
    assert labels == ["27.12341", "27.12342", "27.12343"]
