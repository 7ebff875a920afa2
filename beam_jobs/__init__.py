"""The records job: a source's pictures, matched against the anchors, to sharded TFRecords. Never TensorFlow."""

import logging

# Beam warns at import of an optional Google client that nothing here needs.
logging.getLogger().addFilter(lambda record: "apitools not found" not in str(record.msg))
