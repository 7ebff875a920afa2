"""What the records job and the trainer share: configuration, geometry, views, the record format and the reader."""
