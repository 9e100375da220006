"""Charts as SVG text: curves, round numbers on axes; no script and nothing from outside."""
