"""Measurements beside alternatives, each made in one run."""
