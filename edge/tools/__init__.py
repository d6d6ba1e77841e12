"""What an awareness rule can call on the device: one file per tool, named as in the rule's `call`."""
