"""The records job: matches a source's images against the anchors and writes sharded TFRecords. No TensorFlow."""

import logging

# Beam warns at import about an optional Google client that is not needed here.
logging.getLogger().addFilter(lambda record: "apitools not found" not in str(record.msg))
