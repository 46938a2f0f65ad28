"""Small sequence networks trained side by side: arrays in, arrays out; no panel and no study is known here.

``architecture`` says what a network is made of, ``jobs`` what it learns from and how, ``training.train`` trains many
at once, ``forecasting.forecast`` runs them. A network's numbers depend on its own job alone: not on how many others are
stacked with it, nor on a kill and resume (bit by bit on a CPU of one kind).
"""
