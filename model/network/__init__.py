"""The network: a backbone, the extra layers of SSD, perhaps a feature pyramid, heads."""
