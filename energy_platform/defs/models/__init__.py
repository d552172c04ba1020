"""Trained models and how good they were."""
