"""Training: one explicit loop, a Task (what is trained), a Recipe (how), a run folder (what is left)."""
