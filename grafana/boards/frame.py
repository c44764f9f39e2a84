"""Frame: what all boards share: variables, links to each other, marks on the time line.

In: a language, a board's name. Out: an empty Dashboard to put panels into. Never: a panel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as models

from grafana.boards.panels import SOURCE
from grafana.boards.words import Tongue

Panel = Builder[models.Panel]
ALL = ".*"
"""What a variable stands for when all is chosen: also what has no such label."""
ZONE = "Asia/Shanghai"
"""Daily caps and quiet hours go by this zone, so days on boards should, too."""


def titles(say: Tongue) -> dict[str, str]:
    """The boards by name, in the order of their links."""
    return {
        "overview": say("gate106 总览", "gate106 Overview"),
        "compliance": say("gate106 合规", "gate106 Compliance"),
        "provider": say("gate106 通道商", "gate106 Provider"),
        "journal": say("gate106 日志", "gate106 Journal"),
    }


def uid(say: Tongue, name: str) -> str:
    return f"gate106-{say.value}-{name}"


def blank(say: Tongue, name: str, says: str) -> dashboard.Dashboard:
    """A board with nothing but its links to the others."""
    board = dashboard.Dashboard(titles(say)[name]).uid(uid(say, name)).description(says).tags(["gate106", say.value])
    board.timezone(ZONE).readonly().tooltip(models.DashboardCursorSync.CROSSHAIR)
    for other, title in titles(say).items():
        if other != name:
            board.link(_link(title, uid(say, other)))
    return board.link(_link(say("English", "中文"), uid(say.other, name)))


def start(say: Tongue, name: str, says: str, variables: Iterable[dashboard.QueryVariable]) -> dashboard.Dashboard:
    """A board that asks Prometheus."""
    board = blank(say, name, says).time("now-1h", "now").refresh("30s")
    board.with_variable(dashboard.DatasourceVariable("datasource").label(say("数据源", "data source")).type("prometheus"))
    board.with_variable(variable("instance", say("网关", "gate"), 'label_values(up{job="gate106"}, instance)'))
    for one in variables:
        board.with_variable(one)
    board.annotation(
        _mark(say("规则集生效", "rules put into force"), "blue", "gate106_rules_info unless gate106_rules_info offset 2m")
    )
    board.annotation(
        _mark(say("告警", "alerts"), "red", 'ALERTS{alertname=~"Gate106.+", alertstate="firing", instance=~"$instance"}')
    )
    return board


def fill(
    board: dashboard.Dashboard, say: Tongue, parts: Iterable[tuple[str, Callable[[Tongue], Iterable[Panel]]]]
) -> dashboard.Dashboard:
    """Puts the parts, each with its heading, one below the other."""
    for title, part in parts:
        board.with_row(dashboard.Row(title))
        for panel in part(say):
            board.with_panel(panel)
    return board


def variable(name: str, label: str, query: str, *, many: bool = True) -> dashboard.QueryVariable:
    """A choice among a label's values: any number of them, all at first; or (``many=False``) just one."""
    asked = dashboard.QueryVariable(name).label(label).datasource(SOURCE)
    asked.query({"query": query, "refId": f"{name}-values"})
    asked.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(models.VariableSort.ALPHABETICAL_ASC)
    if many:
        asked.multi(True).include_all(True).all_value(ALL)
        asked.current(models.VariableOption(text="All", value="$__all", selected=True))
    return asked


def _link(title: str, target: str) -> dashboard.DashboardLink:
    link = dashboard.DashboardLink(title).type(models.DashboardLinkType.LINK).url(f"/d/{target}")
    return link.icon("dashboard").include_vars(True).keep_time(True)


def _mark(name: str, color: str, expr: str) -> dashboard.AnnotationQuery:
    return dashboard.AnnotationQuery().name(name).datasource(SOURCE).enable(True).icon_color(color).expr(expr)
