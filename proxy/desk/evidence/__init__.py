"""evidence: what one message, case or penalty comes to on paper: a pack that can be checked without the gate, a letter.

In: what was found of a message (backtest, archive), a case, a penalty. Out: a ZIP, a PDF. Never: a whole number that was not asked for and
written down; a digit of a code; an address or a file fetched while a page is drawn.

    proof.py    from a record to a day's head that was signed         pack.py     the ZIP: files, their digests, a signature
    paper.py    pages                                                 checking.py whether a pack is as it was made: needs nothing of the gate's
    verifier.py    that, as one file for any Python                      ed25519.py  a signature checked without a library
"""
