"""Tools of agents: the built-in ones, functions, webhooks and MCP servers."""
