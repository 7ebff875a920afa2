"""Figures beside the alternatives, measured in one run (`make bench`)."""
