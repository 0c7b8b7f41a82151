"""From the signal that people have (tickets, judgments, clicks, bare records) to judged pairs in the BEIR layout."""
