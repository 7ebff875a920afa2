"""Training: the step, the loss, what happens around them, and the folder of a run."""
