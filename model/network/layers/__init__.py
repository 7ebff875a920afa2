"""Layers as a configuration has them: convolutions, batch norm."""
