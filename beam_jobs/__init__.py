"""The records job: a source's pictures, matched against the anchors, to sharded TFRecords. Never TensorFlow."""
