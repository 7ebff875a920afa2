"""Training: the step, the loss, the callbacks around them, and the folder of a run."""
