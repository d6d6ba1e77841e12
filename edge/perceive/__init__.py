"""Frames in, observations out: pure, synchronous, advancing on the frames' own time."""
