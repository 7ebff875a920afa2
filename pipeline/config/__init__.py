"""Configuration: what decides the bytes of a record set, and what decides a run. Plain data."""
