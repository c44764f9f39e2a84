"""report: the sheet of one day, as the compliance desk reads it in the morning: what was sent, refused and put off, and what people said.

In: the journal of that day, where people live. Out: counts, as JSON, text, a page and a PDF. Never: a person's number, a text of a message.

    sheet     the day, counted            small     what is too small to be told apart
    told      in words and for programs   page      as a page that opens offline        paper     as a PDF
"""
