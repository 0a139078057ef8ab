"""The direct route: a vision-language model looks at the photo and answers the relation itself, without a story."""
