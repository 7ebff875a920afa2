"""Views: how an image lies on the canvas, from random bits of its own."""
