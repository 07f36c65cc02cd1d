"""Boxes, crops and pixels."""
