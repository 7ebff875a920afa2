"""Proposals of anchors: how well anchors fit a set's boxes, and which fit them better. NumPy alone."""
