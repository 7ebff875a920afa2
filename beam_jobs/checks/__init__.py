"""Checks of a finished record set."""
