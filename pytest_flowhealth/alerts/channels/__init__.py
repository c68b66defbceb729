"""How a receiver is told, one file a type: `send(message, receiver, environ)`."""
