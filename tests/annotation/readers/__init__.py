"""Scripts that read our exports with the libraries of others; each runs in an environment of its own."""
