"""What a net gives for copies of one image that differ from it in a rectangle, without computing the rest again."""
