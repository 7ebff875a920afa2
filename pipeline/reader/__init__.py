"""The reader: records to batches of tensors. It needs TensorFlow."""
