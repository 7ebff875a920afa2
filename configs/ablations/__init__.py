"""`cifar10_small` in 1,000 steps, with one thing changed at a time: what each part of the recipe is worth.

make ablations DATA_DIR=...

The scores are AP on the 4,962 images of val (CIFAR-10, JPEG copy, seed 0; 2 cores of an Intel Xeon at 2.8 GHz,
no GPU; 2026-11-24). Differences of about 0.01 may be chance. docs/report.md discusses them.
"""
