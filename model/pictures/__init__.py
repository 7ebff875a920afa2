"""What people look at: curves, drawn anchors and detections."""
