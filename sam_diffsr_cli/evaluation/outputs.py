"""The files that an evaluation writes: the page, and the numbers as CSV and Markdown."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sam_diffsr_cli.atomic import atomic_path
from sam_diffsr_cli.errors import InputError
from sam_diffsr_cli.evaluation.page import write_report
from sam_diffsr_cli.evaluation.report import to_csv, to_markdown
from sam_diffsr_cli.evaluation.request import EvaluateOptions
from sam_diffsr_cli.evaluation.run import EvaluationPlan, ImageScores

__all__ = ["Outputs"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outputs:
    """The files that results are written to, None for those that nobody wants."""

    report: Path | None = None
    csv: Path | None = None
    markdown: Path | None = None
    overwrite: bool = False

    @contextmanager
    def prepare(self, options: EvaluateOptions) -> Iterator[EvaluateOptions]:
        """Check that the files may be written, and keep pictures for the page while it lasts.

        Yields:
            The options with a folder for results where the page needs one.

        Raises:
            InputError: A file is there already, its folder is not, or it has another ending.
        """
        for path, ending in ((self.report, ".html"), (self.csv, ""), (self.markdown, "")):
            if path is not None:
                self._check(path, ending)
        with ExitStack() as stack:
            if self.report is not None and options.out is None:
                place = stack.enter_context(tempfile.TemporaryDirectory(prefix="samsr-"))
                options = replace(options, out=Path(place))
            yield options

    def _check(self, path: Path, ending: str) -> None:
        if ending and path.suffix != ending:
            raise InputError(f"{path}: its name should end in {ending}")
        if not path.resolve().parent.is_dir():
            raise InputError(f"{path}: its folder does not exist")
        if path.exists() and not self.overwrite:
            raise InputError(f"{path}: is there already", hint="--overwrite replaces it")

    def write(self, plan: EvaluationPlan, measured: Sequence[ImageScores]) -> None:
        """Write all of them; no page where nothing was measured.

        Raises:
            InputError: One cannot be written, or a result is gone.
            DiskFullError: No space is left.
        """
        for path, to_text in ((self.csv, to_csv), (self.markdown, to_markdown)):
            if path is not None:
                with atomic_path(path) as temporary:
                    temporary.write_text(to_text(plan.identity, measured), encoding="utf-8")
        if self.report is not None and measured:
            write_report(plan, measured, self.report)
