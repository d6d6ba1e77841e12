"""MCP: devices as resources and tools for any MCP client, and tools of other MCP servers for rules and answers."""
