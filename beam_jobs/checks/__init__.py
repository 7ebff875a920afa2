"""Checks of a record set that is there."""
