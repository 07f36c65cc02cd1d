"""Annotation files of other tools; the public names are those of `mixformer.annotation`."""
