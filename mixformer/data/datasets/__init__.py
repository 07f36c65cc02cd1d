"""Readers of public data sets and of your own sequences; `mixformer.data` has the public names. See docs/data.md."""
