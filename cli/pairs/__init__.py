"""``transvase pairs …``: one file for each kind of signal."""
