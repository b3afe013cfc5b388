"""A grid of networks, trained, pruned and scored as units that can be killed at any moment."""
