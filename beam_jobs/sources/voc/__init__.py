"""Sets annotated in Pascal VOC's XML."""
