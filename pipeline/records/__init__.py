"""Records: what one holds, how it is written, and the manifest of a set."""
