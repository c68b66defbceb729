"""Reports of installations: made and sent with consent, received, counted, kept for a while, erased."""
