"""Measuring tracks against annotations."""
