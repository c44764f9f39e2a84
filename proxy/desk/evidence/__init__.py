"""Makes signed evidence packs and letters, and checks packs.

In: findings about a message (backtest, archive), a case, a penalty. Out: a ZIP, a PDF. Never: a whole number that was not asked for and written
down; a digit of a code; an address or a file fetched while a page is drawn.

    pack_contents.py  what is in a pack, and the signed ZIP             evidence_pdf.py  the pages
    checking.py       whether a pack is as it was made; needs no gate   verifier.py      that check as one file for any Python
    ed25519.py        checks a signature without a library              command.py       ``gate106 evidence``
"""
