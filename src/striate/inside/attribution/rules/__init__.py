"""What stands in the place of an operation's backward: rules of rectifiers, of relevance, of differences."""
