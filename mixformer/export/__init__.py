"""Graphs for other runtimes: `export_model` writes them, checks them against PyTorch, and keeps only what agrees."""
