"""The reader: which records, in which order, as batches of tensors. TensorFlow."""
