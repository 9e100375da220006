"""A look at places of pictures: before a batch at several choices, after it at what it did."""
