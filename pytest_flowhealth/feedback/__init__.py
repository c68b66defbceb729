"""What comes back: reports of installations, the issues made of them, and what `flowhealth init` writes."""
