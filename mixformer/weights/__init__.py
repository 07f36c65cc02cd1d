"""Loading, saving and converting weights; import from `store` and `convert`."""
