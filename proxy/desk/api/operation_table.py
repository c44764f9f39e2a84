"""Lists all declared operations, and the programs that the API runs.

A path follows the command: ``complaint.decide`` is ``POST /api/complaint/decide``. Operations that only report the gate's state are GET.
Operations that change something, or name a person (no address may hold a number), are POST.
"""

from __future__ import annotations

from collections.abc import Mapping

from proxy.desk.api.declarations import declared_in, folders
from proxy.model.roles import Permission
from proxy.operations.declaration import Operation, Operations, OwnCommand, Program
from proxy.operations.whoami import WhoAmI

_DECLARED = (WhoAmI, *declared_in(folders()))
FEATURES: tuple[type[Operations], ...] = tuple(one for one in _DECLARED if not isinstance(one, OwnCommand))
OPERATIONS: tuple[Operation, ...] = tuple(one for feature in FEATURES for one in feature.operations)
PROGRAMS: tuple[Program, ...] = (
    *(one for found in _DECLARED if isinstance(found, OwnCommand) for one in found.programs),
    *(one.program for one in OPERATIONS if one.by_program),
)
OFFERED: tuple[Operation | Program, ...] = (*(one for one in OPERATIONS if one.path), *PROGRAMS)
"""What the HTTP API has."""
PERMISSIONS: Mapping[str, Permission] = {one.name: one.permission for one in OPERATIONS}
"""The permission that each command of the control socket requires."""
