"""``python -m sam_diffsr_cli`` is ``samsr``."""

from sam_diffsr_cli.cli.app import main

main()
