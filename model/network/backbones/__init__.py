"""Backbones, one file each: from an image to feature maps."""
