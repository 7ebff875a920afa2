"""Weights by name: out of files, and into the parts of a network."""
