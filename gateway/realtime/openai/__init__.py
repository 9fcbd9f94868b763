"""OpenAI's Realtime protocol and its dialects, over a WebSocket."""
