"""`cifar10_small` with one thing changed at a time, 32,000 pictures seen: what each part of the recipe brings.

make ablations DATA_DIR=...   # all of them, one after the other; docs/report.md tells what came of it
"""
