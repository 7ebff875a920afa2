"""The network: MobileNetV2, the extra layers of SSD, heads."""
