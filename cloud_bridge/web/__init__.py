"""What the bridge's HTTP surfaces (MCP, console) share: who may ask, and the server they run in."""
