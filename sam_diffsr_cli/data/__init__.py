"""Photos: reading and writing them, and cutting training crops from them."""
