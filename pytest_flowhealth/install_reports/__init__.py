"""Install reports: built, scrubbed, sent with consent, received, encrypted, erased and counted."""
