"""WebAssembly measured against JavaScript: speed, memory, and what the binary itself shows."""
