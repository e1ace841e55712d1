"""The command line, read from the verbs' signatures."""
