"""What `flowhealth init` writes into a project: looked for, planned, shown, written."""
