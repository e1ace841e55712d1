"""Architecture search: spaces of codes, strategies over them, and proxies that train nothing."""
