"""What the records job and the trainer share: geometry, configuration, the record format, the reader."""
