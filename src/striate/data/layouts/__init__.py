"""Layouts of files on disk, one module each."""
