"""Reloads rules, accounts, people and certificates while messages pass.

Never: a file taken over in part: after any mistake all old settings stay in force. Changes that need a restart are named.
"""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from proxy.config import Log, Settings, SettingsError, load, worker_of
from proxy.config.descriptions import changes_not_reloaded as waiting
from proxy.desk.revisions.rule_deployment import RuleDeployment
from proxy.model import log_setup
from proxy.model.counters import GateCounters
from proxy.net.accounts import changed_upstream
from proxy.net.carrier import CarrierAccount
from proxy.net.link import Turns
from proxy.net.listeners import ProviderListener
from proxy.net.provider import Providers
from proxy.net.tls import Contexts, TlsError
from proxy.operations.http_auth import HttpAuth
from proxy.relay.account_access import Directory
from proxy.relay.deliver import DeliverRelay
from proxy.relay.multipart.handler import PartBounds
from proxy.relay.optout_reply import OptOutSettings, ReplyHandler
from proxy.relay.submit import Relay
from proxy.server.control_plane import ControlPlane

log = structlog.get_logger()


@dataclass
class Reload:
    path: Path
    begun_with: Settings  # the settings at the start: listeners, carriers and paths stay as they were there
    contexts: Contexts
    tls_listener: ProviderListener | None
    carrier_accounts: Sequence[CarrierAccount]
    relay: Relay
    providers: Providers
    control_plane: ControlPlane
    reply_handler: ReplyHandler
    rule_deployment: RuleDeployment
    deliver_relay: DeliverRelay
    http_auth: HttpAuth
    turns: Turns
    tally: GateCounters
    log_settings: Log
    waiting: list[str] = field(default_factory=list)  # changed settings that need a restart
    refused: str = ""  # what the last reload did not take over, without the reason: ``/readyz`` is open to everyone
    _serial: asyncio.Lock = field(default_factory=asyncio.Lock)  # one at a time: files read first must not come into force last

    async def reload(self, how: str, who: str) -> list[str]:
        """``how``: SIGHUP or ``command``, then of ``who``. Returns what is wrong with the files, empty when all is in force."""
        async with self._serial:
            return await self._reload(how, who)

    async def _reload(self, how: str, who: str) -> list[str]:
        problems = await self.rule_deployment.reload(how, who)
        try:
            settings = await asyncio.get_running_loop().run_in_executor(None, load, self.path)
        except SettingsError as error:
            return problems + self._refused("settings not loaded, the old ones stay in force", error.problems)
        if name := changed_upstream(self.begun_with, settings):
            problem = f"upstream of {name}: a change needs a restart"
            return problems + self._refused("settings not loaded, the old ones stay in force", [problem])
        try:
            self.contexts.reload()
        except TlsError as error:
            return problems + self._refused("certificates not loaded, nothing of the settings is taken over", [str(error)])
        self.use_contexts()
        self._use(settings)
        self.refused = ""
        self.tally.settings_reload["ok",] += 1
        return problems

    def _refused(self, what: str, problems: list[str]) -> list[str]:
        self.tally.settings_reload["failed",] += 1
        self.refused = what
        log.error(what, problem=problems[0], problems=len(problems))
        return problems

    def notes(self) -> list[str]:
        """Settings that are not in force, for /readyz."""
        refused = [f"{self.refused} (look for that in the log)"] if self.refused else []
        return refused + [f"settings: {one}" for one in self.waiting]

    def use_contexts(self) -> None:
        if self.tls_listener is not None:
            self.tls_listener.context = self.contexts.providers
        for account in self.carrier_accounts:
            account.tls = self.contexts.carriers.get(account.carrier.name)

    def _use(self, settings: Settings) -> None:
        """Puts accounts, tokens, opt-out settings and retention into force."""
        directory = Directory(settings, self.relay.directory)
        self.relay.directory = directory
        self.control_plane.obey_throttles()
        self.providers.use(directory)
        self.reply_handler.settings = optout_settings_of(settings)
        self.relay.parts.bounds = part_bounds_of(settings)
        self.control_plane.reply_paths.book.answer_s = settings.optout.answer_hours * 3600
        self.control_plane.prober.use(settings.optout.probe_text, settings.optout.probe_s)
        self.rule_deployment.use(settings)
        self.http_auth.use(
            settings.http.metrics_allow, settings.http.tokens, settings.people, settings.providers, settings.http.hosts
        )
        self.control_plane.authorization.use(settings.people, settings.http.tokens)
        self.providers.commands.use()
        self.deliver_relay.disown(directory.providers)
        self.control_plane.retention_task.keep = settings.retention
        if settings.log != self.log_settings:
            self.log_settings = settings.log
            use_log_settings(settings.log)
        self.waiting = [f"{name} has changed and needs a restart" for name in waiting(self.begun_with, settings)]
        if self.waiting:
            log.warning("settings wait for a restart", why=self.waiting)
        self.turns.wake()
        log.info("accounts in force", accounts=len(directory.accesses))


def use_log_settings(settings: Log) -> None:
    """Configures the log of a gate, or of the worker that the environment names."""
    worker = worker_of(os.environ)
    log_setup.configure_logging(settings.format, settings.level, settings.time, worker.name if worker is not None else "")


def part_bounds_of(settings: Settings) -> PartBounds:
    """Bounds of incomplete long messages."""
    found = settings.long_messages
    return PartBounds(found.held_megabytes << 20, found.torn_keys, found.parts_remembered_hours * 3600)


def optout_settings_of(settings: Settings) -> OptOutSettings:
    """How replies are read as refusals."""
    optout = settings.optout
    confirm = {one.name: optout.confirm if one.confirm is None else one.confirm for one in settings.providers}
    accepts = settings.consent_by_reply == "accept"
    return OptOutSettings(
        optout.widen_after, optout.widen_days, confirm, settings.doubtful_replies, settings.doubtful_then, accepts
    )
