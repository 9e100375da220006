"""The networks: condition encoders, noise predictors, and the model that joins them."""
