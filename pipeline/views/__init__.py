"""Views: how a picture lies on the canvas, from random bits of its own."""
