"""Clips, networks, data sets and trackers that several tests share."""
