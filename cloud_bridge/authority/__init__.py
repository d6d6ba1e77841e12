"""Who a device is: the bridge's own certificate authority, one-time claims, renewal and revocation."""
