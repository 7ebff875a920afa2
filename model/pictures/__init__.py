"""Pictures for people: curves, drawn records, drawn detections."""
