"""Structure masks: their files, and the encoding that training adds to the noise."""
