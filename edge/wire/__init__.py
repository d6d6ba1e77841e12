"""The contract between device and bridge; imports no picture, network-inference or array library."""
