"""What forms send: downloads with names that their reader can read."""

from urllib.parse import quote

from proxy.console.forms import attachment


def test_a_download_has_a_chinese_name_on_a_chinese_page():
    both = 'attachment; filename="report-2026-10.pdf"'
    chinese = f"{both}; filename*=UTF-8''{quote('报告-2026-10.pdf')}"
    assert attachment("report-2026-10.pdf", "en") == {"Content-Disposition": both}
    assert attachment("report-2026-10.pdf", "zh") == {"Content-Disposition": chinese}
    assert attachment("a b.csv", "zh") == {"Content-Disposition": 'attachment; filename="a_b.csv"'}
