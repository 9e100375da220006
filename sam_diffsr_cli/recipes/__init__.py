"""How a model is trained, as data: records, the presets, and their text form."""
