"""The way to a server: what is known of it and said to it, before anything is known of collections.

In the order of reading: ``address`` (what a URL says), ``credentials`` (what only the environment says), ``line`` (one host),
``connection`` (several, and the cluster behind them), ``failures`` (the server's sentences, told apart in one table),
``pressure`` (why a fill should wait).
"""
