"""Meaning: which concept of labelled pixels each unit follows."""
