"""``python -m sam_diffsr_cli`` is ``samsr``."""

from sam_diffsr_cli.cli.app import main

if __name__ == "__main__":
    main()
