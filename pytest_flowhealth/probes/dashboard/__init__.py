"""The dashboard: its page over HTTP, its WebSocket, and what a browser makes of it."""
