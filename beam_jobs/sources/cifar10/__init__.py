"""CIFAR-10, from its published Python files."""
