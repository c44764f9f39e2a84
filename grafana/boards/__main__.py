"""``python -m grafana.boards``: writes the dashboards anew."""

from grafana.boards.writing import write

write()
