"""What others rely on: public names, commands and types."""
