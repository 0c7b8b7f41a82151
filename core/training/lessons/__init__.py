"""From judgments to the rows that are taught.

In the order of reading: ``lesson`` (what is taught, what is asked, nothing in both), ``pairs`` (a query with one answer),
``copies`` (one text under several ids is one record), ``table`` (pairs as rows of numbers), ``alike`` (which answers a question
might be mistaken to ask for); then what is added to the rows before a fine-tuning: ``crops`` (questions cut out of the corpus),
``negatives`` (the rule for a hard one), ``mining`` (finding them with the weights of the moment, and keeping them), ``teacher``
(a cross-encoder's scores).
"""
