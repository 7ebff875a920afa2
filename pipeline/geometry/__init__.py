"""Geometry: boxes, anchors, matching, targets. NumPy alone."""
