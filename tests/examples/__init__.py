"""The programs of `examples/`, which use exported graphs and not the package, give its boxes."""
