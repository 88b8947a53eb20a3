"""The demo: the main job on the documentation that every machine has."""
