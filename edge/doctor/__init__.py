"""What is wrong with this device and how to mend it: one module per check."""
