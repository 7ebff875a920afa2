"""The records job: matches a source's images against the anchors and writes sharded TFRecords. No TensorFlow."""

import logging

# Beam 2.77 warns at import about an optional Google client that is not needed here
# (apache_beam/io/gcp/internal/clients/bigquery/__init__.py: 33). Can go with https://github.com/apache/beam/issues/19073.
logging.getLogger().addFilter(lambda record: "apitools not found" not in str(record.msg))
