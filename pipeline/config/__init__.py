"""Configuration of record sets and runs: frozen dataclasses that are stored as JSON."""
