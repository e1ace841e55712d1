"""Several nets, snapshots of one run and views of one image, averaged: what each adds."""
