"""The Redis that an application uses: its address, what it does and how quickly, what is wrong with it."""
