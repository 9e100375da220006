"""Training data: public sets fetched by name, and crops of photos, cached and made ahead."""
