"""Detections: decoding and COCO evaluation."""
