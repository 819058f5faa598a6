"""`ups serve`: answers over HTTP and WebSocket. Needs the extra `[serve]`."""
