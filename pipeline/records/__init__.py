"""Records: what a record holds, how it is stored, and the manifest of a record set."""
