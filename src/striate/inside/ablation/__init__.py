"""Ablation: what a net loses when units or layers are switched off."""
