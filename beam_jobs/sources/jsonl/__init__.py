"""Sets annotated in JSON lines."""
