"""Results of several methods side by side: their crops, numbers and curves, as one HTML page."""
