"""Integrations: trainers of other libraries, fed by foils. Each needs its extra, and is imported by name."""
