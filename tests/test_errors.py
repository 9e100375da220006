"""The exit code of each error is a promise to scripts."""

import errno

import pytest

from sam_diffsr_cli import errors
from sam_diffsr_cli.errors import (
    ConfigError,
    DiskFullError,
    ExistsError,
    InputError,
    InterruptedRun,
    PartialFailure,
    ResourceError,
    SamsrError,
    ShapeError,
    UsageError,
    WeightsError,
    os_error,
)

EXIT_CODES: dict[type[SamsrError], int] = {
    SamsrError: 1,
    InputError: 3,
    ExistsError: 3,
    UsageError: 2,
    ShapeError: 3,
    ConfigError: 4,
    WeightsError: 4,
    ResourceError: 5,
    DiskFullError: 5,
    InterruptedRun: 130,
    PartialFailure: 6,
}


@pytest.mark.parametrize(
    ("error", "code"), EXIT_CODES.items(), ids=lambda v: getattr(v, "__name__", v)
)
def test_exit_code(error: type[SamsrError], code: int) -> None:
    assert error("message").exit_code == code


def test_the_table_names_every_error() -> None:
    defined = {
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, SamsrError)
    }
    assert defined == EXIT_CODES.keys()


def test_no_error_takes_the_code_of_success_or_of_a_wrong_command_line() -> None:
    assert 0 not in EXIT_CODES.values()
    assert [error for error, code in EXIT_CODES.items() if code == 2] == [UsageError]


def test_a_wrong_shape_is_a_wrong_input() -> None:
    assert issubclass(ShapeError, InputError)


@pytest.mark.parametrize("error", EXIT_CODES, ids=lambda e: e.__name__)
def test_message_and_hint_are_kept(error: type[SamsrError]) -> None:
    raised = error("a.png: damaged", hint="fetch it again")
    assert str(raised) == "a.png: damaged"
    assert raised.hint == "fetch it again"


def test_a_hint_is_not_needed() -> None:
    assert SamsrError("message").hint is None


def test_a_file_that_is_too_large_for_the_system_gets_its_hint() -> None:
    error = os_error("a.tif", OSError(errno.EFBIG, "File too large"), "cannot be written")
    assert isinstance(error, InputError)
    assert "a.tif: cannot be written (it is larger than files may be)" in str(error)
    assert "ulimit -f" in (error.hint or "")
