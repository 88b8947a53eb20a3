"""Evaluate rankings, and say how sure the difference between two of them is."""
