"""`flowhealth init`: inspect a project, plan its files, show them as a diff, write them."""
