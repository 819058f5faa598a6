"""A trained model: on disk, extended by new classes, cut to one task, described."""
