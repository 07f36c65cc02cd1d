"""Training: recipes, stages, losses, and a loop that can be stopped at any moment."""
