"""Images for people: curves, drawn records, drawn detections."""
