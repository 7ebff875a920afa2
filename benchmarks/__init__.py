"""Measurements against alternatives, each comparison made in one run."""
