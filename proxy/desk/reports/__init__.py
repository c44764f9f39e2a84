"""Reports a day or a month: messages, refusals and opt-outs.

In: the journal of that time, the region of each number. Out: counts, as JSON, text, a page and a PDF. Never: a person's number, a text.

    daily_report.py       the day, counted                  disclosure_control.py   counts too small to be shown apart
    month_counts.py  a month, counted                month_report.py         its tables
    month_text.py    ... as text and JSON            month_files.py, report_pdf.py   ... as HTML, XLSX and PDF
    report_text.py  the report as text and JSON, and the words of page and PDF in two languages
    offline_html.py, report_pdf.py                        the report as an HTML page and as a PDF
    page.py, month_page.py   the console's pages                command.py        ``gate106 report``
"""
