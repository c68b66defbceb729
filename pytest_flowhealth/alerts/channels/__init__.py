"""The built-in receivers, one module per type with `send(message, receiver, environ)`."""
