"""Sets annotated in COCO's JSON."""
