"""The demo: the main job on the embedded default, from HTTP to payment, told as a story or as JSON."""
