"""Units: what makes each of them fire, how far it sees, how it compares with its neighbours."""
