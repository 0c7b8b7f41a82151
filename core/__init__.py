"""The nouns and the rules of Transvase. Nothing in here knows a database."""
