"""pages: one page each: ``name.py`` has ``page``, ``name.html`` beside it shows it, ``name.yaml`` has its words in both languages. What lies
here is there; nothing else has to know of it.
"""
