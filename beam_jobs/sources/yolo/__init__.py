"""Sets annotated in YOLO's text labels."""
