"""Accuracy, latency, memory and link, measured on the deployed path."""
