"""``python -m sam_diffsr_cli`` is ``samsr``."""

from sam_diffsr_cli.process import ending_at_once

__all__ = ["run"]


def run() -> None:
    """Run the command line, and end the process."""
    with ending_at_once():
        from sam_diffsr_cli.cli.app import main  # noqa: PLC0415 - after what ends the process

        main()


if __name__ == "__main__":
    run()
